# Brings parts of CUDA to where the build looks for them:
#
#   cmake -DPART=compiler|runtime [-DRETORT_CACHE=dir] [-DLINK=path] -P cmake/FetchCuda.cmake
#
# The compiler is that of a toolkit of this machine, if nvcc is in the PATH, in CUDA_PATH or in /usr/local/cuda and of the
# major version of cuda/compiler.txt; otherwise it comes from PyPI, as the runtime's libraries do, by the versions and
# hashes of cuda/PART.txt, and is kept in RETORT_CACHE (default: ~/.cache/retort). LINK, if given, becomes a symbolic link
# to the part. The compiler is LINK/bin/nvcc; the runtime's libraries lie in LINK/*/lib.
cmake_minimum_required(VERSION 3.25)
include(${CMAKE_CURRENT_LIST_DIR}/FetchWheels.cmake)

set(requirements ${CMAKE_CURRENT_LIST_DIR}/cuda/${PART}.txt)
if(NOT EXISTS ${requirements})
  message(FATAL_ERROR "FetchCuda: PART must be compiler or runtime (got ${PART})")
endif()
file(STRINGS ${requirements} versions REGEX "^nvidia-cuda-runtime==")
string(REGEX MATCH "==([0-9]+)" major "${versions}")
set(major ${CMAKE_MATCH_1})

# Sets `toolkit` to the folder of one that this machine has, if it fits.
function(find_toolkit)
  find_program(nvcc nvcc HINTS ENV CUDA_PATH /usr/local/cuda PATH_SUFFIXES bin NO_CACHE)
  if(NOT nvcc)
    return()
  endif()
  execute_process(COMMAND ${nvcc} --version OUTPUT_VARIABLE version)
  if(version MATCHES "release ${major}\\.")
    file(REAL_PATH ${nvcc} nvcc)
    cmake_path(GET nvcc PARENT_PATH bin)
    cmake_path(GET bin PARENT_PATH folder)
    set(toolkit ${folder} PARENT_SCOPE)
  else()
    message(STATUS "FetchCuda: ${nvcc} is not of CUDA ${major}, so another is fetched")
  endif()
endfunction()
if(PART STREQUAL "compiler")
  find_toolkit()
endif()
if(toolkit)
  message(STATUS "FetchCuda: compiler is that of ${toolkit}")
  retort_link(${toolkit})
  return()
endif()

file(SHA256 ${requirements} content)
string(SUBSTRING ${content} 0 12 content)

# Wheels forget what may be executed, and nvcc looks for libraries where toolkits have them.
function(prepare_compiler folder)
  file(GLOB programs ${folder}/cu${major}/bin/* ${folder}/cu${major}/nvvm/bin/*)
  file(CHMOD ${programs} PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ
                                     WORLD_EXECUTE)
  file(CREATE_LINK lib ${folder}/cu${major}/lib64 SYMBOLIC)
endfunction()
if(PART STREQUAL "compiler")
  set(prepare PREPARE prepare_compiler)
endif()

retort_fetch_wheels(
  NAME cuda-${PART}-${content}
  FOLDER nvidia
  REQUIREMENTS ${requirements}
  ${prepare})
# The linker looks for the runtime without its version. What was fetched by an older build gets it, too.
if(PART STREQUAL "compiler")
  set(destination ${destination}/cu${major})
  file(CREATE_LINK libcudart.so.${major} ${destination}/lib/libcudart.so SYMBOLIC)
endif()
retort_link(${destination})
