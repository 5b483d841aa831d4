#include <retort/errors.h>

namespace retort {

ShapeError::~ShapeError() = default;

NonFiniteError::~NonFiniteError() = default;

CheckpointError::~CheckpointError() = default;

}  // namespace retort
