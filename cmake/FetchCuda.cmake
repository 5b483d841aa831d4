# Fetches parts of CUDA from PyPI, for machines without a toolkit:
#
#   cmake -DPART=compiler|runtime [-DRETORT_CACHE=dir] [-DLINK=path] -P cmake/FetchCuda.cmake
#
# Versions and hashes are those of cuda/PART.txt. The part is kept in RETORT_CACHE (default: ~/.cache/retort). LINK, if
# given, becomes a symbolic link to it. The compiler is LINK/cu13/bin/nvcc; the runtime's libraries lie in LINK/*/lib.
cmake_minimum_required(VERSION 3.25)
include(${CMAKE_CURRENT_LIST_DIR}/FetchWheels.cmake)

set(requirements ${CMAKE_CURRENT_LIST_DIR}/cuda/${PART}.txt)
if(NOT EXISTS ${requirements})
  message(FATAL_ERROR "FetchCuda: PART must be compiler or runtime (got ${PART})")
endif()
file(SHA256 ${requirements} content)
string(SUBSTRING ${content} 0 12 content)

# Wheels forget what may be executed, and nvcc looks for libraries where toolkits have them.
function(prepare_compiler folder)
  file(GLOB programs ${folder}/cu13/bin/* ${folder}/cu13/nvvm/bin/*)
  file(CHMOD ${programs} PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ
                                     WORLD_EXECUTE)
  file(CREATE_LINK lib ${folder}/cu13/lib64 SYMBOLIC)
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
  file(CREATE_LINK libcudart.so.13 ${destination}/cu13/lib/libcudart.so SYMBOLIC)
endif()
retort_link(${destination})
