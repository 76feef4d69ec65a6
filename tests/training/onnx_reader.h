#ifndef RESNET_TESTS_TRAINING_ONNX_READER_H
#define RESNET_TESTS_TRAINING_ONNX_READER_H

#include <filesystem>

#include <nlohmann/json.hpp>

namespace resnet::testing {

/// What an ONNX file holds, after ONNX's own checker and its inference of shapes passed it: {"metadata": {…},
/// "inputs": {"input": ["batch", 3, …]}, "outputs": {…}, "initializers": {"conv1.weight": [64, 3, 7, 7]},
/// "operators": {"Conv": 20, …}, "opset": 13}.  @throws std::exception saying what the checker found
nlohmann::json read_onnx(const std::filesystem::path& path);

}  // namespace resnet::testing

#endif
