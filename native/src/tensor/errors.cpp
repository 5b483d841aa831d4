#include <retort/errors.h>

namespace retort {

ShapeError::~ShapeError() = default;

NonFiniteError::~NonFiniteError() = default;

FileError::~FileError() = default;

}  // namespace retort
