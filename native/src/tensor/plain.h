#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <c10/core/impl/TorchDispatchModeTLS.h>

namespace retort {

/// Whether a tensor is memory of the CPU and nothing else: neither a subclass nor wrapped by a transformation, and
/// watched by no dispatch mode. Only then may its memory be used without telling LibTorch.
inline bool is_plain_cpu(const at::Tensor& tensor) {
  constexpr c10::DispatchKeySet kMore(
      {c10::DispatchKey::Python, c10::DispatchKey::Functionalize, c10::DispatchKey::FuncTorchGradWrapper,
       c10::DispatchKey::FuncTorchBatched});
  const c10::DispatchKeySet keys = tensor.key_set();
  return keys.has(c10::DispatchKey::CPU) && !keys.has_any(kMore) && !c10::impl::TorchDispatchModeTLS::any_modes_set();
}

/// Whether the values of a tensor can be looked at: not those of a meta tensor, nor while PyTorch traces a graph or one
/// of torch.func's transformations is active.
inline bool has_values(const at::Tensor& tensor) {
  using Mode = c10::impl::TorchDispatchModeKey;
  using Modes = c10::impl::TorchDispatchModeTLS;
  const bool is_transformed = c10::impl::tls_is_dispatch_key_included(c10::DispatchKey::FuncTorchDynamicLayerFrontMode);
  return !tensor.is_meta() && !tensor.key_set().has(c10::DispatchKey::Python) && !is_transformed &&
         !Modes::get_mode(Mode::FAKE) && !Modes::get_mode(Mode::PROXY);
}

}  // namespace retort
