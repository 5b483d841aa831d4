# Fetches LibTorch's C++ headers, which no Maven artifact holds, from the PyPI package `torch`:
#
#   cmake [-DRETORT_CACHE=dir] [-DLINK=path] -P cmake/FetchLibTorch.cmake
#
# The headers are kept in RETORT_CACHE (default: ~/.cache/retort), so that a clean build does not fetch them again.
# LINK, if given, becomes a symbolic link to the folder `include`.
#
# The aarch64 wheel is a sixth of the x86-64 wheel's size, and its headers are the same text but for vendor libraries
# that Retort does not include; its ATen/Config.h (OpenBLAS, no MKL) is that of the LibTorch in Bytedeco's artifacts.
cmake_minimum_required(VERSION 3.25)

set(version 2.10.0)
set(wheel torch-${version}-cp311-cp311-manylinux_2_28_aarch64.whl)
set(sha256 3282d9febd1e4e476630a099692b44fdc214ee9bf8ee5377732d9d9dfe5712e4)

if(NOT RETORT_CACHE)
  set(RETORT_CACHE $ENV{HOME}/.cache/retort)
endif()
set(destination ${RETORT_CACHE}/libtorch-${version}-headers)
set(staging ${destination}.partial)

file(MAKE_DIRECTORY ${RETORT_CACHE})
file(LOCK ${RETORT_CACHE}/libtorch.lock GUARD PROCESS)

if(NOT IS_DIRECTORY ${destination})
  message(STATUS "Fetching LibTorch's headers: torch ${version}, 146 MB")
  file(REMOVE_RECURSE ${staging})
  file(MAKE_DIRECTORY ${staging})
  execute_process(
    COMMAND python3 -m pip download --quiet --no-deps --only-binary=:all: --platform manylinux_2_28_aarch64
            --python-version 3.11 --dest ${staging} torch==${version}
    RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "FetchLibTorch: pip could not download torch ${version}; are python3-pip and a network there?")
  endif()
  if(NOT EXISTS ${staging}/${wheel})
    message(FATAL_ERROR "FetchLibTorch: pip must deliver ${wheel}")
  endif()
  file(SHA256 ${staging}/${wheel} actual)
  if(NOT actual STREQUAL sha256)
    message(FATAL_ERROR "FetchLibTorch: ${wheel} must have SHA-256 ${sha256} (got ${actual})")
  endif()
  file(ARCHIVE_EXTRACT INPUT ${staging}/${wheel} DESTINATION ${staging} PATTERNS torch/include/*)
  file(RENAME ${staging}/torch ${destination})
  file(REMOVE_RECURSE ${staging})
endif()

if(LINK)
  cmake_path(GET LINK PARENT_PATH parent)
  file(MAKE_DIRECTORY ${parent})
  file(CREATE_LINK ${destination}/include ${LINK} SYMBOLIC)
endif()
