# Fetches LibTorch's C++ headers, which no Maven artifact holds, from the PyPI package `torch` (146 MB):
#
#   cmake [-DRETORT_CACHE=dir] [-DLINK=path] -P cmake/FetchLibTorch.cmake
#
# Version and hash are those of libtorch/headers.txt. The headers are kept in RETORT_CACHE (default: ~/.cache/retort).
# LINK, if given, becomes a symbolic link to the folder `include`.
#
# The aarch64 wheel is a sixth of the x86-64 wheel's size, and its headers are the same text but for vendor libraries
# that Retort does not include; its ATen/Config.h (OpenBLAS, no MKL) is that of the LibTorch in Bytedeco's artifacts.
cmake_minimum_required(VERSION 3.25)
include(${CMAKE_CURRENT_LIST_DIR}/FetchWheels.cmake)

set(requirements ${CMAKE_CURRENT_LIST_DIR}/libtorch/headers.txt)
file(STRINGS ${requirements} version REGEX "^torch==")
string(REGEX REPLACE "^torch==([0-9.]+) .*" "\\1" version ${version})
retort_fetch_wheels(
  NAME libtorch-${version}-headers/include
  FOLDER torch/include
  REQUIREMENTS ${requirements}
  PIP_OPTIONS --platform manylinux_2_28_aarch64 --python-version 3.11)
retort_link(${destination})
