#pragma once

#include <c10/util/Exception.h>
#include <retort/export.h>

namespace retort {

// Every user error is a c10::ValueError. Errors that a program may want to handle separately have their own classes,
// which are defined in the library so that they can be caught across its boundary. Running out of memory throws
// c10::OutOfMemoryError or std::bad_alloc or, from LibTorch's own allocator, a plain c10::Error.

/// Thrown if a tensor or buffer is missing, or its shape, dtype, layout or device does not match.
class RETORT_API ShapeError : public c10::ValueError {
 public:
  using c10::ValueError::ValueError;
  ~ShapeError() override;
};

/// Thrown if a loss, a gradient or a value to be stored, e.g. an embedding, is infinite or NaN.
class RETORT_API NonFiniteError : public c10::ValueError {
 public:
  using c10::ValueError::ValueError;
  ~NonFiniteError() override;
};

/// Thrown if a file or stream is missing, damaged, of another kind or of another network or configuration, or can't be
/// read or written.
class RETORT_API FileError : public c10::ValueError {
 public:
  using c10::ValueError::ValueError;
  ~FileError() override;
};

/// Thrown if another rank is gone, does not respond, has failed, or was started with other options. Not a user error of
/// this process, so not a c10::ValueError.
class RETORT_API RankError : public c10::Error {
 public:
  using c10::Error::Error;
  ~RankError() override;
};

}  // namespace retort
