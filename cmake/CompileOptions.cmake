option(RETORT_WARNINGS_AS_ERRORS "Treat compiler warnings as errors, as the presets and the Maven build do" OFF)
set(RETORT_BASELINE x86-64-v2
    CACHE STRING "What every machine has that the library is built for, as -march takes it; kernels choose more at run time")
set(RETORT_SANITIZERS "" CACHE STRING "Sanitizers to build with, e.g. address,undefined")
option(RETORT_COVERAGE "Count what is executed, for gcov" OFF)
option(RETORT_FUZZERS "Build the programs of libFuzzer, which takes Clang" OFF)
if(RETORT_FUZZERS AND NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  message(FATAL_ERROR "RETORT_FUZZERS: the compiler must be Clang (got ${CMAKE_CXX_COMPILER_ID})")
endif()

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 12)
  message(FATAL_ERROR "GCC must be of version 12 or newer (got ${CMAKE_CXX_COMPILER_VERSION})")
endif()

# Gives a target the compile options of all of Retort's C++.
function(retort_compile_options target)
  target_compile_features(${target} PRIVATE cxx_std_17)
  set(options -march=${RETORT_BASELINE} -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wcast-qual
              -ffile-prefix-map=${PROJECT_SOURCE_DIR}=native -ffile-prefix-map=${LibTorch_INCLUDE_DIR}=libtorch)
  # Otherwise GCC names headers by the folder that a symbolic link leads to, if that is shorter.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    list(APPEND options -fno-canonical-system-headers)
  endif()
  if(RETORT_WARNINGS_AS_ERRORS)
    list(APPEND options -Werror)
  endif()
  target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:${options}>")
  # What nvcc makes of a kernel for the CPU's compiler would not pass as free of warnings.
  set(cuda_options -Xcompiler=-march=${RETORT_BASELINE})
  if(RETORT_WARNINGS_AS_ERRORS)
    list(APPEND cuda_options -Werror=all-warnings)
  endif()
  target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CUDA>:${cuda_options}>")
  if(RETORT_SANITIZERS)
    # The instrumentation misleads GCC's -Wmaybe-uninitialized, and vptr needs types that LibTorch does not export.
    target_compile_options(
      ${target} PRIVATE -fsanitize=${RETORT_SANITIZERS} -fno-sanitize=vptr -fno-omit-frame-pointer
                        $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
    target_link_options(${target} PRIVATE -fsanitize=${RETORT_SANITIZERS})
  endif()
  if(RETORT_COVERAGE)
    # With the files' own paths, by which gcovr finds them.
    target_compile_options(
      ${target} PRIVATE --coverage -fprofile-update=atomic -fprofile-prefix-map=${PROJECT_SOURCE_DIR}=${PROJECT_SOURCE_DIR}
                        -fprofile-prefix-map=${LibTorch_INCLUDE_DIR}=${LibTorch_INCLUDE_DIR})
    target_link_options(${target} PRIVATE --coverage)
  endif()
  if(RETORT_FUZZERS)
    target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link)
  endif()
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF CXX_VISIBILITY_PRESET hidden
                                             VISIBILITY_INLINES_HIDDEN ON)
endfunction()
