// Every way in which a pickle calls code, and the names that attacks on torch.load have called: refused by
// name.
#include "tests/model/checkpoint_fixtures.h"

namespace resnet::testing {
namespace {

class PickleGadgets : public CheckpointTest {
 protected:
  /// Expects that the pickle is refused, in each of the formats, with that in the message.
  void refuse(const std::string& pickle, const std::string& part) const {
    SCOPED_TRACE(part);
    const std::string none("\x80\x02K\0.", 5), storages = none + "\x80\x02].";
    expect_refused(file("g.pth", make_zip({{"a/data.pkl", pickle}})), ErrorCode::format, part);
    expect_refused(file("g.legacy", make_legacy(pickle, "")), ErrorCode::format, part);
    expect_refused(file("g.tar", make_tar({{"storages", storages}, {"tensors", none}, {"pickle", pickle}})),
                   ErrorCode::format, part);
  }
  /// The same inside what the storages of a tar archive, or the head of a legacy stream, hold.
  void refuse_in_front(const std::string& pickle, const std::string& part) const {
    const std::string none("\x80\x02K\0.", 5);
    expect_refused(file("s.tar", make_tar({{"storages", pickle}, {"tensors", none}, {"pickle", none}})),
                   ErrorCode::format, part);
    expect_refused(
        file("t.tar", make_tar({{"storages", none + "\x80\x02]."}, {"tensors", pickle}, {"pickle", none}})),
        ErrorCode::format, part);
    expect_refused(file("h.legacy", pickle), ErrorCode::format, part);
  }
};

std::string name_of(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}
std::string short_text(const std::string& value) { return "\x8c" + number(value.size(), 1) + value; }

struct Gadget {
  const char* module;
  const char* name;
};

// What the published bypasses of scanners and of torch.load's allow-lists call.
constexpr Gadget gadgets[] = {
    {"os", "system"},
    {"posix", "system"},
    {"nt", "system"},
    {"builtins", "eval"},
    {"builtins", "exec"},
    {"builtins", "getattr"},
    {"builtins", "__import__"},
    {"__builtin__", "eval"},
    {"subprocess", "Popen"},
    {"subprocess", "check_output"},
    {"runpy", "_run_code"},
    {"importlib", "import_module"},
    {"pickle", "loads"},
    {"_pickle", "loads"},
    {"marshal", "loads"},
    {"types", "FunctionType"},
    {"functools", "partial"},
    {"operator", "attrgetter"},
    {"operator", "methodcaller"},
    {"timeit", "timeit"},
    {"cProfile", "run"},
    {"pdb", "run"},
    {"code", "InteractiveInterpreter"},
    {"asyncio.unix_events", "_UnixSubprocessTransport._start"},
    {"ctypes", "CDLL"},
    {"shutil", "rmtree"},
    {"socket", "create_connection"},
    {"webbrowser", "open"},
    {"pip", "main"},
    {"pydoc", "pipepager"},
    {"idlelib.pyshell", "ModifiedInterpreter.runcode"},
    {"numpy.testing._private.utils", "runstring"},
    {"numpy.f2py.crackfortran", "param_eval"},
    {"torch", "load"},
    {"torch.hub", "load"},
    {"torch.jit", "load"},
    {"torch.serialization", "load"},
    {"torch.storage", "_load_from_bytes"},
    {"torch._dynamo.guards", "GuardBuilder.get"},
    {"torch._inductor.codecache", "compile_file"},
    {"torch.utils.bottleneck.__main__", "run_cprofile"},
    {"torch.utils.collect_env", "run"},
    {"torch.utils.data.datapipes.utils.decoder", "basichandlers"},
    {"torch.fx.experimental.symbolic_shapes", "ShapeEnv.evaluate_guards_expression"},
    {"torch._utils", "_rebuild_wrapper_subclass"},
    {"torch._tensor", "_rebuild_from_type_v2"},
    {"torch.nn.modules.module", "Module"},
    {"torchvision.models.resnet", "ResNet"}};

TEST_F(PickleGadgets, NamesThatAttacksCallAreRefused) {
  for (const Gadget& gadget : gadgets) {
    const std::string part = std::string("'") + gadget.module + "." + gadget.name + "'";
    const std::string call = "\x80\x02" + name_of(gadget.module, gadget.name) + "U\1x\x85R.";
    refuse(call, part);
    refuse_in_front(call, part);
  }
}

TEST_F(PickleGadgets, EveryOpcodeThatCallsIsRefused) {
  const std::string system = name_of("os", "system"), argument = "U\1x";
  const std::string quoted = "'os.system'";
  refuse("\x80\x02" + system + argument + "\x85R.", quoted);  // REDUCE
  refuse("\x80\x04" + short_text("os") + short_text("system") + "\x93" + argument + "\x85R.", quoted);
  refuse("\x80\x02" + system + argument + "\x85\x81.", quoted);   // NEWOBJ
  refuse("\x80\x04" + system + argument + "\x85}\x92.", quoted);  // NEWOBJ_EX
  refuse("\x80\x04)}\x92.", "opcode 0x92");
  refuse("\x80\x02(ios\nsystem\n.", "opcode 0x69");  // INST
  refuse("\x80\x02(" + argument + "ios\nsystem\n.", "opcode 0x69");
  refuse("\x80\x02(" + argument + "o.", "opcode 0x6f");  // OBJ
  refuse("\x80\x02(" + system + argument + "o.", quoted);
  refuse("\x80\x02\x82\1.", "opcode 0x82");                              // EXT1
  refuse("\x80\x02\x83\1" + std::string(1, '\0') + ".", "opcode 0x83");  // EXT2
  refuse("\x80\x02\x84\1" + std::string(3, '\0') + ".", "opcode 0x84");  // EXT4
  refuse("\x80\x02Pos.system\n.", "opcode 0x50");                        // PERSID
  refuse("\x80\x05\x97.", "opcode 0x97");                                // NEXT_BUFFER
}

TEST_F(PickleGadgets, ACallThatHidesIsFound) {
  const std::string system = name_of("os", "system"), argument = "U\1x\x85";
  const std::string quoted = "'os.system'";
  refuse("\x80\x02" + system + "q\1" + "0h\1" + argument + "R.", quoted);  // in the memo
  refuse("\x80\x04" + short_text("os") + "\x94" + short_text("system") + "\x94" + "00h" +
             std::string(1, '\0') + "h\1\x93" + argument + "R.",
         quoted);                                                  // in parts
  refuse("\x80\x02}U\1a](" + system + argument + "Res.", quoted);  // in a list of a dict
  refuse("\x80\x02" + system + argument + "R0}.", quoted);         // and thrown away
  refuse("\x80\x02" + name_of("collections", "defaultdict") + system + "\x85R.", quoted);  // as a factory
  refuse("\x80\x02" + name_of("argparse", "Namespace") + ")\x81}U\1a" + system + argument + "Rsb.", quoted);
  refuse("\x80\x02" + name_of("collections", "OrderedDict") + ")R}U\7__del__" + system + "sb.", quoted);
  const std::string tensor = tensor_pickle(1, 0, {1}, {1});
  refuse(tensor.substr(0, tensor.size() - 2) + "U\1a" + system + argument + "Ru.",
         quoted);  // beside a tensor
}

TEST_F(PickleGadgets, NamesThatAreNearlyKnownAreRefused) {
  for (const Gadget& gadget :
       {Gadget{"collections", "OrderedDict "}, Gadget{"collections ", "OrderedDict"},
        Gadget{"Collections", "OrderedDict"}, Gadget{"collections", "OrderedDict.__class__"},
        Gadget{"torch._utils", "_rebuild_tensor_v2.__globals__"}, Gadget{"torch", "FloatStorage.from_file"},
        Gadget{"torch", "FloatStorag"}, Gadget{"", "OrderedDict"}, Gadget{"collections", ""}}) {
    const std::string part = std::string("'") + gadget.module + "." + gadget.name + "'";
    refuse("\x80\x02" + name_of(gadget.module, gadget.name) + ")R.", part);
    refuse("\x80\x04" + short_text(gadget.module) + short_text(gadget.name) + "\x93)R.", part);
  }
}

TEST_F(PickleGadgets, WhatIsKnownCannotBeChangedOrMisused) {
  const std::string dict = name_of("collections", "OrderedDict"),
                    rebuild = name_of("torch._utils", "_rebuild_tensor_v2");
  refuse("\x80\x02" + dict + "}b.", "sets the state of");  // of the class itself
  refuse("\x80\x02" + rebuild + "}b.", "sets the state of");
  refuse("\x80\x02" + rebuild + ")R.", "a tensor of something");
  refuse("\x80\x02" + dict + "U\1x\x85R.", "an OrderedDict of something");
  refuse("\x80\x02" + dict + ")R)R.", "calls a dict");  // what a call gave is called
  refuse("\x80\x02" + dict + "].", "more or less than one value");
  refuse("\x80\x02}q\1U\1ah\1s.", "");  // a dict in itself ends
}

}  // namespace
}  // namespace resnet::testing
