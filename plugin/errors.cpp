#include "plugin/errors.h"

namespace resnet {

namespace {

struct Domain {
  GQuark domain;
  int code;
  const char* advice;
};

Domain domain_of(ErrorCode code) {
  const GQuark resource = GST_RESOURCE_ERROR;
  switch (code) {
    case ErrorCode::not_found:
      return {resource, GST_RESOURCE_ERROR_NOT_FOUND, "Check the properties model and labels-file."};
    case ErrorCode::read:
      return {resource, GST_RESOURCE_ERROR_OPEN_READ, "Check the file's kind and permissions."};
    case ErrorCode::write:
      return {resource, GST_RESOURCE_ERROR_OPEN_WRITE, "Check the folder's permissions and free space."};
    case ErrorCode::format:
      return {GST_STREAM_ERROR, GST_STREAM_ERROR_WRONG_TYPE,
              "The file must be a PyTorch ResNet's state dict that is whole."};
    case ErrorCode::mismatch:
      return {resource, GST_RESOURCE_ERROR_SETTINGS, "Model and labels must belong together."};
    case ErrorCode::unsupported:
      return {resource, GST_RESOURCE_ERROR_SETTINGS, "Choose another model, device or precision."};
    case ErrorCode::device:
      break;
  }
  return {resource, GST_RESOURCE_ERROR_FAILED, "A smaller batch-size or another device may help."};
}

}  // namespace

void post_message(GstElement* element, GstMessageType type, GQuark domain, int code, const std::string& text,
                  const std::string& detail) {
  gst_element_message_full(element, type, domain, code, g_strdup(text.c_str()), g_strdup(detail.c_str()),
                           __FILE__, GST_FUNCTION, __LINE__);
}

void post_engine_message(GstElement* element, GstMessageType type, const EngineError& error) {
  const Domain domain = domain_of(error.code);
  post_message(element, type, domain.domain, domain.code, error.message + ". " + domain.advice,
               error.message);
}

}  // namespace resnet
