#pragma once

#include <c10/util/Exception.h>
#include <retort/export.h>

namespace retort {

// Everything a user can get wrong is a c10::ValueError. Those that a program would handle in its own way have classes
// of their own, which are defined in the library, so that they can be caught across its border. Memory that is not
// there is c10::OutOfMemoryError or std::bad_alloc, or, from LibTorch's own allocator, a plain c10::Error.

/// A tensor or buffer is missing, or is of a shape, dtype, layout or device that does not fit.
class RETORT_API ShapeError : public c10::ValueError {
 public:
  using c10::ValueError::ValueError;
  ~ShapeError() override;
};

/// A loss, a gradient or something to be remembered is infinite or not a number.
class RETORT_API NonFiniteError : public c10::ValueError {
 public:
  using c10::ValueError::ValueError;
  ~NonFiniteError() override;
};

/// A checkpoint is damaged, not a checkpoint, of another configuration, or can't be written.
class RETORT_API CheckpointError : public c10::ValueError {
 public:
  using c10::ValueError::ValueError;
  ~CheckpointError() override;
};

}  // namespace retort
