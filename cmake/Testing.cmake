# Adds tests/NAME as a GoogleTest program whose cases become ctest's. They are discovered when ctest runs, since the
# golden cases depend on RETORT_GOLDEN_DIR.
find_package(GTest REQUIRED)
include(GoogleTest)

add_library(retort_test_support STATIC)
retort_compile_options(retort_test_support)
target_include_directories(retort_test_support PUBLIC tests/support)
target_link_libraries(retort_test_support PUBLIC retort GTest::gtest)
target_compile_definitions(
  retort_test_support PRIVATE RETORT_DEFAULT_GOLDEN_DIR="${PROJECT_SOURCE_DIR}/tests/golden")
target_precompile_headers(retort_test_support PUBLIC <gtest/gtest.h> <retort/retort.h> <torch/types.h>)

function(retort_add_test source)
  string(REGEX REPLACE "[/.]" "_" name ${source})
  string(REGEX REPLACE "_cpp$" "" name ${name})
  add_executable(${name} tests/${source})
  retort_compile_options(${name})
  target_include_directories(${name} PRIVATE src)
  target_precompile_headers(${name} REUSE_FROM retort_test_support)
  target_link_libraries(${name} PRIVATE retort_test_support GTest::gtest_main)
  set_target_properties(${name} PROPERTIES BUILD_RPATH "$<TARGET_FILE_DIR:retort>;${LibTorch_LIBRARY_DIR}")
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 300)
endfunction()
