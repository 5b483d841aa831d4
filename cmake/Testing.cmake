# The tests: a GoogleTest program for each folder of tests/, since linking LibTorch takes longer than most cases. Tests of
# what the library does not export, and those that replace functions of libraries, have programs of their own.
#
#   retort_add_test_program(NAME [INTERNAL] SOURCES...)    the program NAME_test
#   retort_add_tests(NAME [INTERNAL] SOURCES...)           the same, and a test of ctest that runs all of it
#   retort_add_filtered_test(NAME PROGRAM FILTER)          a test of ctest that runs a part of a program
#
# A program links libretort.so, as users do; one that is INTERNAL links the library's object files instead. Golden cases are
# ctest's own tests, so that skipped ones show by name: see tests/golden_tests.cmake.in.
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

# The sanitizers make everything several times slower.
if(RETORT_SANITIZERS)
  set(RETORT_TEST_TIMEOUT 1200)
else()
  set(RETORT_TEST_TIMEOUT 300)
endif()

# Without optimisation, test code compiles in half the time. The library it tests is optimised.
function(retort_test_options target)
  retort_compile_options(${target})
  # GCC 12 takes the default value of ResNetOptions::filters for a dangling list.
  target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-dangling-pointer>)
  if(NOT RETORT_SANITIZERS)
    target_compile_options(${target} PRIVATE -O0)
  endif()
endfunction()

add_library(retort_test_support STATIC)
retort_test_options(retort_test_support)
target_include_directories(retort_test_support PUBLIC tests/support include)
target_link_libraries(retort_test_support PUBLIC LibTorch::LibTorch GTest::gtest)
target_precompile_headers(retort_test_support PUBLIC <gtest/gtest.h> <retort/retort.h> <torch/types.h>)
set_target_properties(retort_test_support PROPERTIES UNITY_BUILD ${RETORT_UNITY_BUILD})
set_source_files_properties(tests/support/map_loss.cpp PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)

function(retort_add_test_program name)
  cmake_parse_arguments(PARSE_ARGV 1 test "INTERNAL" "" "")
  set(target ${name}_test)
  add_executable(${target} ${test_UNPARSED_ARGUMENTS})
  retort_test_options(${target})
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_precompile_headers(${target} REUSE_FROM retort_test_support)
  target_link_libraries(${target} PRIVATE retort_test_support GTest::gtest_main)
  if(test_INTERNAL)
    target_link_libraries(${target} PRIVATE $<LINK_LIBRARY:WHOLE_ARCHIVE,retort_internals>)
  else()
    target_link_libraries(${target} PRIVATE retort)
  endif()
  set_target_properties(
    ${target} PROPERTIES BUILD_RPATH "$<TARGET_FILE_DIR:retort>;${LibTorch_LIBRARY_DIR}" UNITY_BUILD ${RETORT_UNITY_BUILD}
                         UNITY_BUILD_BATCH_SIZE 6)
endfunction()

function(retort_add_filtered_test name program filter)
  add_test(NAME ${name} COMMAND ${program} --gtest_filter=${filter})
  set_tests_properties(
    ${name} PROPERTIES TIMEOUT ${RETORT_TEST_TIMEOUT} FAIL_REGULAR_EXPRESSION "Running 0 tests")
endfunction()

function(retort_add_tests name)
  retort_add_test_program(${name} ${ARGN})
  retort_add_filtered_test(${name}_test ${name}_test -*.MatchesGolden/*)
endfunction()
