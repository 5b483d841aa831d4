#pragma once

#include <ATen/Parallel.h>
#include <retort/distributed/ranks.h>
#include <torch/csrc/distributed/c10d/HashStore.hpp>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "distributed/ranks_impl.h"

namespace retort::test {

/// Ranks that are threads of this process: their calls are those of processes, their store is a map. They share the
/// default generator, as processes do not.
class ThreadRanks {
 public:
  explicit ThreadRanks(int64_t size, std::chrono::milliseconds timeout = std::chrono::seconds(60))
      : size_(size), timeout_(timeout), store_(c10::make_intrusive<c10d::HashStore>()) {}

  int64_t size() const { return size_; }

  /// Calls `work` on each rank, and waits for all.
  /// @return what they threw, or null
  std::vector<std::exception_ptr> run(const std::function<void(const std::shared_ptr<Ranks>&)>& work) {
    std::vector<std::exception_ptr> errors(static_cast<size_t>(size_));
    std::vector<std::thread> threads;
    for (int64_t rank = 0; rank < size_; ++rank) {
      threads.emplace_back([&, rank] {
        at::set_num_threads(1);
        try {
          work(join(rank));
        } catch (...) {
          errors[static_cast<size_t>(rank)] = std::current_exception();
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    ++runs_;
    return errors;
  }

 private:
  std::shared_ptr<Ranks> join(int64_t rank) {
    // Each run with keys of its own.
    const auto store = c10::make_intrusive<c10d::PrefixStore>("run " + std::to_string(runs_), store_);
    return std::make_shared<Ranks>(std::make_shared<Ranks::Impl>(
        Seat{rank, size_, "127.0.0.1", timeout_}, store, c10::Device(at::kCPU), &new_gloo_backend));
  }

  const int64_t size_;
  const std::chrono::milliseconds timeout_;
  const c10::intrusive_ptr<c10d::HashStore> store_;
  int64_t runs_ = 0;
};

/// The message of an error; empty if there is none.
inline std::string message_of(const std::exception_ptr& error) {
  if (!error) return {};
  try {
    std::rethrow_exception(error);
  } catch (const c10::Error& of_torch) {
    return of_torch.what_without_backtrace();
  } catch (const std::exception& other) {
    return other.what();
  } catch (...) {
    return "an unknown error";
  }
}

}  // namespace retort::test
