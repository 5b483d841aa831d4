#pragma once

namespace retort::benchmarks {

// Each adds the cases of one loss, or of some that are alike.
void add_losses_of_logits();
void add_fsp();
void add_nst();
void add_crd();
void add_ofd();
/// All losses of maps on small ones, where what is done once a call counts.
void add_small();

}  // namespace retort::benchmarks
