# Finds LibTorch below LibTorch_ROOT: a folder with `include/` and `lib/`, be it LibTorch itself, an installed PyTorch
# (site-packages/torch) or what the Maven build unpacks (target/libtorch).
#
# Defines the target LibTorch::LibTorch, of a LibTorch with CUDA also LibTorch::C10Cuda, and LibTorch_VERSION,
# LibTorch_LIBRARY_DIR.
find_path(LibTorch_INCLUDE_DIR ATen/ATen.h PATH_SUFFIXES include)
find_library(LibTorch_CPU_LIBRARY torch_cpu PATH_SUFFIXES lib)
find_library(LibTorch_C10_LIBRARY c10 PATH_SUFFIXES lib)
mark_as_advanced(LibTorch_INCLUDE_DIR LibTorch_CPU_LIBRARY LibTorch_C10_LIBRARY)

if(LibTorch_INCLUDE_DIR)
  file(STRINGS ${LibTorch_INCLUDE_DIR}/torch/headeronly/version.h version_lines
       REGEX "^#define TORCH_VERSION_(MAJOR|MINOR|PATCH) [0-9]+")
  list(TRANSFORM version_lines REPLACE "^.* ([0-9]+)$" "\\1")
  list(JOIN version_lines "." LibTorch_VERSION)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
  LibTorch
  REQUIRED_VARS LibTorch_CPU_LIBRARY LibTorch_C10_LIBRARY LibTorch_INCLUDE_DIR
  VERSION_VAR LibTorch_VERSION
  REASON_FAILURE_MESSAGE "set LibTorch_ROOT to a folder with LibTorch's include/ and lib/")

if(LibTorch_FOUND AND NOT TARGET LibTorch::LibTorch)
  cmake_path(GET LibTorch_CPU_LIBRARY PARENT_PATH LibTorch_LIBRARY_DIR)
  add_library(LibTorch::C10 SHARED IMPORTED)
  set_target_properties(LibTorch::C10 PROPERTIES IMPORTED_LOCATION ${LibTorch_C10_LIBRARY})
  add_library(LibTorch::LibTorch SHARED IMPORTED)
  set_target_properties(LibTorch::LibTorch PROPERTIES IMPORTED_LOCATION ${LibTorch_CPU_LIBRARY})
  target_include_directories(
    LibTorch::LibTorch SYSTEM INTERFACE ${LibTorch_INCLUDE_DIR} ${LibTorch_INCLUDE_DIR}/torch/csrc/api/include)
  target_link_libraries(LibTorch::LibTorch INTERFACE LibTorch::C10)
  target_compile_features(LibTorch::LibTorch INTERFACE cxx_std_17)
  # Clang 18 changed how templates' names are mangled; LibTorch has the names that GCC gave them.
  target_compile_options(
    LibTorch::LibTorch
    INTERFACE
      $<$<AND:$<COMPILE_LANG_AND_ID:CXX,Clang>,$<VERSION_GREATER_EQUAL:$<CXX_COMPILER_VERSION>,18>>:-fclang-abi-compat=17>)
  # LibTorch's own dependencies (OpenBLAS, libgomp) lie beside it.
  target_link_options(LibTorch::LibTorch INTERFACE LINKER:-rpath-link,${LibTorch_LIBRARY_DIR})
  if(EXISTS ${LibTorch_LIBRARY_DIR}/libc10_cuda.so)
    add_library(LibTorch::C10Cuda SHARED IMPORTED)
    set_target_properties(LibTorch::C10Cuda PROPERTIES IMPORTED_LOCATION ${LibTorch_LIBRARY_DIR}/libc10_cuda.so)
  endif()
endif()
