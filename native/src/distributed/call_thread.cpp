#include "distributed/call_thread.h"

#include <condition_variable>
#include <exception>
#include <thread>

namespace retort {

struct CallThread::State {
  std::mutex mutex;
  std::condition_variable changed;
  std::function<void()> call;
  std::exception_ptr error;
  bool has_returned = false;
  bool is_stuck = false;
  bool is_closed = false;
  std::thread thread;

  void work() {
    std::unique_lock<std::mutex> lock(mutex);
    for (;;) {
      changed.wait(lock, [&] { return call || is_closed; });
      if (!call) return;
      std::function<void()> current = std::exchange(call, nullptr);
      std::exception_ptr thrown;
      lock.unlock();
      try {
        current();
      } catch (...) {
        thrown = std::current_exception();
      }
      current = nullptr;
      lock.lock();
      error = std::move(thrown);
      has_returned = true;
      changed.notify_all();
    }
  }
};

CallThread::CallThread() : state_(std::make_shared<State>()) {
  state_->thread = std::thread([state = state_] { state->work(); });
}

CallThread::~CallThread() {
  bool is_stuck = false;
  {
    const std::lock_guard<std::mutex> lock(state_->mutex);
    state_->is_closed = true;
    is_stuck = state_->is_stuck;
    state_->changed.notify_all();
  }
  if (is_stuck) {
    state_->thread.detach();
  } else {
    state_->thread.join();
  }
}

bool CallThread::run(std::function<void()> call, std::chrono::milliseconds patience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  const std::unique_lock<std::timed_mutex> turn(calls_, end);
  if (!turn) return false;
  std::unique_lock<std::mutex> lock(state_->mutex);
  if (state_->is_stuck) return false;
  state_->call = std::move(call);
  state_->has_returned = false;
  state_->changed.notify_all();
  if (!state_->changed.wait_until(lock, end, [&] { return state_->has_returned; })) {
    state_->is_stuck = true;
    return false;
  }
  if (const auto error = std::exchange(state_->error, nullptr)) std::rethrow_exception(error);
  return true;
}

}  // namespace retort
