# Fetches wheels from PyPI, and keeps them in RETORT_CACHE (default: ~/.cache/retort), so that a clean build does not
# fetch them again.

# Makes RETORT_CACHE/NAME of what wheels have in FOLDER, unless it is there, and stores its path in `destination`.
#
# @param REQUIREMENTS a file with the wheels' versions and hashes
# @param PIP_OPTIONS which wheels to take, if not those for this machine
# @param PREPARE a function that is called with the new folder before it is kept
function(retort_fetch_wheels)
  cmake_parse_arguments(PARSE_ARGV 0 fetch "" "NAME;FOLDER;REQUIREMENTS;PREPARE" "PIP_OPTIONS")
  if(NOT RETORT_CACHE)
    set(RETORT_CACHE $ENV{HOME}/.cache/retort)
  endif()
  set(path ${RETORT_CACHE}/${fetch_NAME})
  set(staging ${path}.partial)
  set(destination ${path} PARENT_SCOPE)

  cmake_path(GET path PARENT_PATH parent)
  file(MAKE_DIRECTORY ${parent})
  file(LOCK ${path}.lock GUARD FUNCTION)
  if(IS_DIRECTORY ${path})
    return()
  endif()
  message(STATUS "Fetching the wheels of ${fetch_REQUIREMENTS}")
  file(REMOVE_RECURSE ${staging})
  file(MAKE_DIRECTORY ${staging})
  execute_process(
    COMMAND python3 -m pip download --quiet --no-deps --only-binary=:all: --require-hashes ${fetch_PIP_OPTIONS} --dest
            ${staging} --requirement ${fetch_REQUIREMENTS}
    RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "FetchWheels: pip could not download ${fetch_REQUIREMENTS}; are python3-pip and a network there?")
  endif()
  file(GLOB wheels ${staging}/*.whl)
  foreach(wheel IN LISTS wheels)
    file(ARCHIVE_EXTRACT INPUT ${wheel} DESTINATION ${staging} PATTERNS ${fetch_FOLDER}/*)
    file(REMOVE ${wheel})
  endforeach()
  if(fetch_PREPARE)
    cmake_language(CALL ${fetch_PREPARE} ${staging}/${fetch_FOLDER})
  endif()
  file(RENAME ${staging}/${fetch_FOLDER} ${path})
  file(REMOVE_RECURSE ${staging})
endfunction()

# Makes LINK, if given, a symbolic link to a path.
function(retort_link path)
  if(LINK)
    cmake_path(GET LINK PARENT_PATH parent)
    file(MAKE_DIRECTORY ${parent})
    file(CREATE_LINK ${path} ${LINK} SYMBOLIC)
  endif()
endfunction()
