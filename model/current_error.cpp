#include "model/current_error.h"

#include <new>

#include <c10/util/Exception.h>

namespace resnet {

// LibTorch's messages carry a stack trace behind the first line.
EngineError current_error() noexcept try {
  try {
    throw;
  } catch (const Error& error) {
    return {error.code(), error.what()};
  } catch (const c10::Error& error) {
    const std::string text = error.what_without_backtrace();
    return {ErrorCode::device, text.substr(0, text.find('\n'))};
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  } catch (const std::exception& error) {
    return {ErrorCode::device, error.what()};
  }
} catch (const std::bad_alloc&) {
  return out_of_memory();  // not even a message
}

}  // namespace resnet
