option(RETORT_CUDA "Build the kernels for CUDA, too" OFF)
set(RETORT_CUDA_ARCHITECTURES 75 80 90 100 120 CACHE STRING "The GPUs' compute capabilities to compile the kernels for")
# Statically, since LibTorch's may be of another version than the compiler's.
set(CMAKE_CUDA_RUNTIME_LIBRARY Static CACHE STRING "How CUDA's runtime is linked: Static, or Shared with LibTorch's")

set(RETORT_CUDA_RUNTIME "" CACHE PATH "Where FetchCuda.cmake has put the runtime, if that of the toolkit is not used")

if(RETORT_CUDA)
  # CMake would try the compiler with an architecture of its own, which may be too old for it.
  set(CMAKE_CUDA_ARCHITECTURES ${RETORT_CUDA_ARCHITECTURES})
  enable_language(CUDA)
endif()

# The files of the kernels for CUDA: what losses share, and the losses' own.
function(retort_cuda_kernels result)
  set(folder ${PROJECT_SOURCE_DIR}/src/kernels/cuda)
  set(files channels.cu count_correct.cpp norms.cpp pooled_maps.cpp pooling.cu)
  list(TRANSFORM files PREPEND ${folder}/)
  foreach(loss IN LISTS ARGN)
    list(APPEND files ${folder}/${loss}.cpp)
    # Others are made of LibTorch's operators.
    if(EXISTS ${folder}/${loss}.cu)
      list(APPEND files ${folder}/${loss}.cu)
    endif()
  endforeach()
  set(${result} ${files} PARENT_SCOPE)
endfunction()

# The exchange among several GPUs. ATen's headers want more of the toolkit than kernels do.
function(retort_use_nccl target)
  find_path(
    RETORT_NCCL_INCLUDE_DIR nccl.h
    # The last is that of an installed PyTorch.
    HINTS ${RETORT_CUDA_RUNTIME}/nccl/include ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES}
          ${LibTorch_LIBRARY_DIR}/../../nvidia/nccl/include)
  find_path(
    RETORT_CUSPARSE_INCLUDE_DIR cusparse.h HINTS ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES}
                                                 ${RETORT_CUDA_RUNTIME}/cu13/include)
  if(NOT RETORT_NCCL_INCLUDE_DIR OR NOT RETORT_CUSPARSE_INCLUDE_DIR)
    message(FATAL_ERROR "RETORT_CUDA: nccl.h and cusparse.h must be there, e.g. in RETORT_CUDA_RUNTIME (got "
                        "${RETORT_NCCL_INCLUDE_DIR} and ${RETORT_CUSPARSE_INCLUDE_DIR})")
  endif()
  target_sources(${target} PRIVATE src/distributed/nccl_backend.cpp)
  set_source_files_properties(
    src/distributed/nccl_backend.cpp
    PROPERTIES COMPILE_DEFINITIONS USE_C10D_NCCL
               COMPILE_OPTIONS "-isystem;${RETORT_NCCL_INCLUDE_DIR};-isystem;${RETORT_CUSPARSE_INCLUDE_DIR}"
               SKIP_PRECOMPILE_HEADERS ON)
endfunction()

# Adds the kernels for CUDA of some losses to the library.
function(retort_use_cuda target)
  if(NOT TARGET LibTorch::C10Cuda)
    message(FATAL_ERROR "RETORT_CUDA: LibTorch must be one with CUDA (got ${LibTorch_LIBRARY_DIR} without c10_cuda)")
  endif()
  retort_cuda_kernels(kernels ${ARGN})
  target_sources(${target} PRIVATE ${kernels} src/kernels/cuda/stream.cpp src/runtime/cuda_device.cu)
  set_target_properties(${target} PROPERTIES CUDA_STANDARD 17 CUDA_EXTENSIONS OFF CUDA_VISIBILITY_PRESET hidden)
  target_include_directories(${target} SYSTEM PRIVATE ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES})
  # The configuration is missing from the headers of a LibTorch without CUDA, and of no consequence.
  target_compile_definitions(${target} PRIVATE RETORT_CUDA C10_CUDA_NO_CMAKE_CONFIGURE_FILE)
  target_link_libraries(${target} PRIVATE LibTorch::C10Cuda)
  # Programs find it by their own run path, where the library looks for nothing but its neighbours.
  target_link_libraries(${target} INTERFACE -Wl,--push-state,--no-as-needed LibTorch::C10Cuda -Wl,--pop-state)
  # What LibTorch's libraries need in turn is found when they are loaded.
  target_link_options(${target} INTERFACE LINKER:--allow-shlib-undefined)
  retort_use_nccl(${target})
endfunction()
