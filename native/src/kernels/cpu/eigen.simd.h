// Eigen's matrices and products for one instruction set. Eigen is all inline functions: under one name the linker would
// keep a single variant for all instruction sets, so each gets a namespace of its own.
#pragma once

#define RETORT_PASTE(a, b) a##b
#define RETORT_EIGEN_FOR(isa) RETORT_PASTE(Eigen_, isa)
#define Eigen RETORT_EIGEN_FOR(RETORT_ISA)
#define EIGEN_DONT_PARALLELIZE
#include <Eigen/Core>

namespace retort::kernels::RETORT_ISA {
namespace {

template <typename T>
using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <typename T>
using RowVector = Eigen::Matrix<T, 1, Eigen::Dynamic, Eigen::RowMajor>;
template <typename T>
using ColumnVector = Eigen::Matrix<T, Eigen::Dynamic, 1>;
template <typename T>
using MatrixView = Eigen::Map<Matrix<T>>;
template <typename T>
using ConstMatrixView = Eigen::Map<const Matrix<T>>;

}  // namespace
}  // namespace retort::kernels::RETORT_ISA
