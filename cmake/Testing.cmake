# Adds tests/SOURCE as a GoogleTest program and as one test of ctest, since a process that loads LibTorch takes longer
# than most cases. Golden cases are ctest's own tests, so that skipped ones show by name: see tests/golden_tests.cmake.in.
find_package(GTest QUIET)
if(NOT GTest_FOUND)
  message(FATAL_ERROR "RETORT_BUILD_TESTS: GoogleTest must be installed, e.g. Debian's libgtest-dev (got none)")
endif()

add_library(retort_test_support STATIC)
retort_compile_options(retort_test_support)
target_include_directories(retort_test_support PUBLIC tests/support)
target_link_libraries(retort_test_support PUBLIC retort GTest::gtest)
target_precompile_headers(retort_test_support PUBLIC <gtest/gtest.h> <retort/retort.h> <torch/types.h>)

# The sanitizers make everything several times slower.
if(RETORT_SANITIZERS)
  set(test_timeout 600)
else()
  set(test_timeout 120)
endif()

function(retort_add_test source)
  string(REGEX REPLACE "[/.]" "_" name ${source})
  string(REGEX REPLACE "_cpp$" "" name ${name})
  add_executable(${name} ${source})
  retort_compile_options(${name})
  # GCC 12 takes the default value of ResNetOptions::filters for a dangling list.
  target_compile_options(${name} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-dangling-pointer>)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_precompile_headers(${name} REUSE_FROM retort_test_support)
  target_link_libraries(${name} PRIVATE retort_test_support GTest::gtest_main)
  set_target_properties(${name} PROPERTIES BUILD_RPATH "$<TARGET_FILE_DIR:retort>;${LibTorch_LIBRARY_DIR}")
  add_test(NAME ${name} COMMAND ${name} --gtest_filter=-*.MatchesGolden/*)
  set_tests_properties(${name} PROPERTIES TIMEOUT ${test_timeout})
endfunction()
