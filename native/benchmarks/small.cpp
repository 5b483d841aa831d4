#include <ATen/Functions.h>
#include <retort/losses/fsp.h>
#include <retort/losses/nst.h>
#include <retort/losses/ofd.h>

#include "loss_case.h"
#include "losses.h"
#include "nst_kernels.h"
#include "reference/fsp.h"
#include "reference/nst.h"
#include "reference/ofd.h"

namespace retort::benchmarks {
namespace {

using Maps = std::vector<at::Tensor>;
using MapLoss = std::function<at::Tensor(const Maps& student, const Maps& teacher)>;

LossCase small(const MapLoss& ours, const MapLoss& naive) {
  const std::vector<std::vector<int64_t>> shapes = {{8, 8, 8}, {16, 8, 8}};
  const Maps student = random_maps(8, shapes, true);
  const Maps teacher = random_maps(8, shapes, false);
  LossCase result;
  // Both networks' maps are read, a gradient is written.
  result.footprint = 3 * bytes_of(student);
  result.bytes = static_cast<double>(result.footprint);
  result.ours = [=] { return differentiate(ours(student, teacher), student); };
  result.naive = [=] { return differentiate(naive(student, teacher), student); };
  return result;
}

}  // namespace

void add_small() {
  const std::string size = "/batch 8, maps 8 x 8";
  add_loss("fsp" + size, [] {
    return small(
        [](const Maps& s, const Maps& t) { return fsp_loss(s, t)[0]; },
        [](const Maps& s, const Maps& t) { return reference::fsp_loss(s, t)[0]; });
  });
  for (NstKernel kernel : test::kNstKernels) {
    add_loss("nst " + test::name_of(kernel) + size, [=] {
      return small(
          [=](const Maps& s, const Maps& t) { return at::stack(nst_loss(s, t, kernel)).sum(); },
          [=](const Maps& s, const Maps& t) { return at::stack(reference::nst_loss(s, t, kernel)).sum(); });
    });
  }
  add_loss("ofd" + size, [] {
    return small(
        [](const Maps& s, const Maps& t) {
          return ofd_loss(s[0], t[0], ofd_batch_margin(t[0])) + ofd_loss(s[1], t[1], ofd_batch_margin(t[1]));
        },
        [](const Maps& s, const Maps& t) {
          return reference::ofd_loss(s[0], t[0], reference::ofd_batch_margin(t[0])) +
                 reference::ofd_loss(s[1], t[1], reference::ofd_batch_margin(t[1]));
        });
  });
}

}  // namespace retort::benchmarks
