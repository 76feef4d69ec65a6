#ifndef RESNET_PLUGIN_GUARDED_H
#define RESNET_PLUGIN_GUARDED_H

#include <exception>
#include <new>

#include <gst/gst.h>

namespace resnet {

/// Calls what may throw on behalf of a function that C calls, which no exception may leave: it becomes an
/// error on the bus instead. Allocates nothing of its own but with GLib.
/// @param failed what the function then returns  @param what could not be done: "A frame could not be
/// classified"
template <typename Result, typename Work>
Result guarded(gpointer element, Result failed, const char* what, const Work& work) noexcept {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    GST_ELEMENT_ERROR(element, RESOURCE, FAILED, ("%s: out of memory.", what), (nullptr));
  } catch (const std::exception& error) {
    GST_ELEMENT_ERROR(element, LIBRARY, FAILED, ("%s: %s.", what, error.what()), (nullptr));
  }
  return failed;
}

template <typename Work>
void guarded(gpointer element, const char* what, const Work& work) noexcept {
  guarded(element, false, what, [&] {
    work();
    return true;
  });
}

/// An instance's state. GObject knows no failure there: without memory the program ends, as with all of
/// GLib's.
template <typename State>
State* make_or_end() noexcept {
  return new State;  // NOLINT(bugprone-unhandled-exception-at-new)
}

}  // namespace resnet

#endif
