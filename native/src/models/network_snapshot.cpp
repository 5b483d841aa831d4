#include "models/network_snapshot.h"

#include <ATen/core/grad_mode.h>

#include "models/network_state.h"
#include "tensor/remember.h"

namespace retort {

void NetworkSnapshot::take() {
  NetworkState& state = NetworkState::of(network_);
  state.synchronise();
  const at::NoGradGuard no_grad;
  if (probes_ != state.probes()) buffers_ = network_.buffers();
  probes_ = state.probes();
  remember(contents_, buffers_);
}

void NetworkSnapshot::restore() {
  const at::NoGradGuard no_grad;
  copy_all(buffers_, contents_);
}

}  // namespace retort
