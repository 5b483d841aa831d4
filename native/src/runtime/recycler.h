#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Allocator.h>

namespace retort {

/// An allocator of CPU memory that keeps what is freed and hands it out again: gradients and temporaries have the same
/// sizes in every step, and memory fresh from the system costs more, page by page, than a loss takes to compute. Large
/// blocks lie on huge pages where the system has them. At most kIdleBytes are kept idle, those freed last.
/// Safe under threads.
c10::Allocator& recycler();

/// Gives what is idle back to the system.
void release_idle_memory();

constexpr size_t kIdleBytes = size_t{256} << 20;

/// A tensor like that one, not initialised, in recycled memory. `like` is on the CPU and dense, in any order of
/// dimensions, which the result has, too.
at::Tensor recycled_like(const at::Tensor& like);
at::Tensor recycled_like(const at::Tensor& like, at::ScalarType dtype);

/// A tensor of the CPU, not initialised, in recycled memory.
at::Tensor recycled(at::IntArrayRef sizes, at::ScalarType dtype, at::MemoryFormat format);

}  // namespace retort
