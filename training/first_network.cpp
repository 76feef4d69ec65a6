#include "training/first_network.h"

#include "model/model_file.h"
#include "model/resnet.h"

namespace resnet {
namespace {

/// The last batch norm's scale is 0 (arXiv:1706.02677, 5.1).
void zero_last_norms(const ResNet& network) {
  const torch::NoGradGuard no_grad;
  const std::string last = network->architecture().block == BlockType::basic ? ".bn2.weight" : ".bn3.weight";
  for (const auto& item : network->named_parameters()) {
    if (item.key().ends_with(last)) item.value().zero_();
  }
}

void load(ResNet& network, const Checkpoint& checkpoint, HeadPolicy head, Console& console) {
  for (const std::string& warning : load_state_dict(network, checkpoint, head)) console.warn(warning);
}

}  // namespace

ResNet first_network(const StartingPoint& start, int classes, bool zero_init_residual, Console& console) {
  ResNet network = make_resnet(start.architecture, classes);
  const std::string name = start.architecture.name(), file = start.checkpoint.path.string();
  switch (start.kind) {
    case StartKind::random:
      if (zero_init_residual) zero_last_norms(network);
      console.note(name + ", random weights");
      break;
    case StartKind::weights:
      load(network, start.checkpoint, HeadPolicy::keep_when_different, console);
      console.note(name + ", weights from " + file);
      break;
    case StartKind::output:
      load(network, start.checkpoint, HeadPolicy::must_fit, console);
      console.note("---Loading_Model---\n" + name + ", weights from " + file);
      break;
    case StartKind::last:
      break;
  }
  return network;
}

}  // namespace resnet
