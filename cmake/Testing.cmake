# Adds tests/SOURCE as a GoogleTest program and as one test of ctest, since a process that loads LibTorch takes longer
# than most cases. Golden cases are ctest's own tests, so that skipped ones show by name: see tests/golden_tests.cmake.in.
#
#   retort_add_test(SOURCE [INTERNAL])
#
# A test links libretort.so, as users do. One that is INTERNAL is about what the library does not export, and links the
# same object files instead.
find_package(GTest QUIET)
if(NOT GTest_FOUND)
  message(FATAL_ERROR "RETORT_BUILD_TESTS: GoogleTest must be installed, e.g. Debian's libgtest-dev (got none)")
endif()

add_library(retort_internals STATIC $<TARGET_OBJECTS:retort>)
foreach(isa IN LISTS RETORT_ISAS)
  target_sources(retort_internals PRIVATE $<TARGET_OBJECTS:retort_kernels_${isa}>)
endforeach()
set_target_properties(retort_internals PROPERTIES LINKER_LANGUAGE CXX)
target_link_libraries(retort_internals PUBLIC LibTorch::LibTorch PRIVATE ${CMAKE_DL_LIBS})
# Not by the runtime's path, whose folder would get into the programs' RPATH.
target_link_options(retort_internals INTERFACE ${OpenMP_CXX_FLAGS})
if(RETORT_CUDA)
  target_link_libraries(retort_internals PUBLIC LibTorch::C10Cuda)
endif()

add_library(retort_test_support STATIC)
retort_compile_options(retort_test_support)
target_include_directories(retort_test_support PUBLIC tests/support include)
target_link_libraries(retort_test_support PUBLIC LibTorch::LibTorch GTest::gtest)
target_precompile_headers(retort_test_support PUBLIC <gtest/gtest.h> <retort/retort.h> <torch/types.h>)

# The sanitizers make everything several times slower.
if(RETORT_SANITIZERS)
  set(test_timeout 600)
else()
  set(test_timeout 120)
endif()

function(retort_add_test source)
  cmake_parse_arguments(PARSE_ARGV 1 test "INTERNAL" "" "")
  string(REGEX REPLACE "[/.]" "_" name ${source})
  string(REGEX REPLACE "_cpp$" "" name ${name})
  add_executable(${name} ${source})
  retort_compile_options(${name})
  # GCC 12 takes the default value of ResNetOptions::filters for a dangling list.
  target_compile_options(${name} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-dangling-pointer>)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_precompile_headers(${name} REUSE_FROM retort_test_support)
  target_link_libraries(${name} PRIVATE retort_test_support GTest::gtest_main)
  if(test_INTERNAL)
    target_link_libraries(${name} PRIVATE $<LINK_LIBRARY:WHOLE_ARCHIVE,retort_internals>)
  else()
    target_link_libraries(${name} PRIVATE retort)
  endif()
  set_target_properties(${name} PROPERTIES BUILD_RPATH "$<TARGET_FILE_DIR:retort>;${LibTorch_LIBRARY_DIR}")
  add_test(NAME ${name} COMMAND ${name} --gtest_filter=-*.MatchesGolden/*)
  set_tests_properties(${name} PROPERTIES TIMEOUT ${test_timeout})
endfunction()
