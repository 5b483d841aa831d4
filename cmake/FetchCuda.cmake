# Fetches parts of CUDA from PyPI, for machines without a toolkit:
#
#   cmake -DPART=compiler|runtime [-DRETORT_CACHE=dir] [-DLINK=path] -P cmake/FetchCuda.cmake
#
# Versions and hashes are those of cuda/PART.txt. The part is kept in RETORT_CACHE (default: ~/.cache/retort). LINK, if
# given, becomes a symbolic link to it. The compiler is LINK/cu13/bin/nvcc; the runtime's libraries lie in LINK/*/lib.
cmake_minimum_required(VERSION 3.25)

set(requirements ${CMAKE_CURRENT_LIST_DIR}/cuda/${PART}.txt)
if(NOT EXISTS ${requirements})
  message(FATAL_ERROR "FetchCuda: PART must be compiler or runtime (got ${PART})")
endif()
if(NOT RETORT_CACHE)
  set(RETORT_CACHE $ENV{HOME}/.cache/retort)
endif()
file(SHA256 ${requirements} content)
string(SUBSTRING ${content} 0 12 content)
set(destination ${RETORT_CACHE}/cuda-${PART}-${content})
set(staging ${destination}.partial)

file(MAKE_DIRECTORY ${RETORT_CACHE})
file(LOCK ${RETORT_CACHE}/cuda-${PART}.lock GUARD PROCESS)

if(NOT IS_DIRECTORY ${destination})
  message(STATUS "Fetching CUDA's ${PART}")
  file(REMOVE_RECURSE ${staging})
  file(MAKE_DIRECTORY ${staging})
  execute_process(
    COMMAND python3 -m pip download --quiet --no-deps --only-binary=:all: --require-hashes --dest ${staging}
            --requirement ${requirements}
    RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "FetchCuda: pip could not download ${requirements}; are python3-pip and a network there?")
  endif()
  file(GLOB wheels ${staging}/*.whl)
  foreach(wheel IN LISTS wheels)
    file(ARCHIVE_EXTRACT INPUT ${wheel} DESTINATION ${staging} PATTERNS nvidia/*)
    file(REMOVE ${wheel})
  endforeach()
  if(PART STREQUAL "compiler")
    # Wheels forget what may be executed, and nvcc looks for libraries where toolkits have them.
    file(GLOB programs ${staging}/nvidia/cu13/bin/* ${staging}/nvidia/cu13/nvvm/bin/*)
    file(CHMOD ${programs} PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ
                                       WORLD_EXECUTE)
    file(CREATE_LINK lib ${staging}/nvidia/cu13/lib64 SYMBOLIC)
  endif()
  file(RENAME ${staging}/nvidia ${destination})
  file(REMOVE_RECURSE ${staging})
endif()

# The linker looks for the runtime without its version. What was fetched by an older build gets it, too.
if(PART STREQUAL "compiler")
  file(CREATE_LINK libcudart.so.13 ${destination}/cu13/lib/libcudart.so SYMBOLIC)
endif()

if(LINK)
  cmake_path(GET LINK PARENT_PATH parent)
  file(MAKE_DIRECTORY ${parent})
  file(CREATE_LINK ${destination} ${LINK} SYMBOLIC)
endif()
