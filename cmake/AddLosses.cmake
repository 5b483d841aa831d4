# The instruction sets for which every CPU kernel is compiled; src/runtime/isa.h chooses among them at run time.
set(RETORT_ISAS baseline avx2 avx512)
set(RETORT_ISA_OPTIONS_baseline "")
set(RETORT_ISA_OPTIONS_avx2 -mavx2 -mfma -mf16c)
set(RETORT_ISA_OPTIONS_avx512 -mavx512f -mavx512dq -mavx512bw -mavx512vl -mfma -mf16c -mprefer-vector-width=512)

foreach(isa IN LISTS RETORT_ISAS)
  add_library(retort_kernels_${isa} OBJECT)
  retort_compile_options(retort_kernels_${isa})
  target_include_directories(retort_kernels_${isa} PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_compile_definitions(retort_kernels_${isa} PRIVATE RETORT_ISA=${isa})
  # Optimised in debug builds too. -fno-math-errno lets square roots and the like become single instructions,
  # -fno-trapping-math lets comparisons become masks; neither changes a value.
  # Clang does not vectorise a maximum that lets NaN through, and warns.
  target_compile_options(
    retort_kernels_${isa} PRIVATE -O3 -fopenmp-simd -fno-math-errno -fno-trapping-math ${RETORT_ISA_OPTIONS_${isa}}
                                         $<$<CXX_COMPILER_ID:Clang>:-Wno-pass-failed>)
  set_target_properties(retort_kernels_${isa} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  target_link_libraries(retort PRIVATE $<TARGET_OBJECTS:retort_kernels_${isa}>)
  add_dependencies(retort retort_kernels_${isa})
endforeach()

# Adds losses to the library, each from the same places:
#
#   include/retort/losses/NAME.h, src/losses/NAME.cpp,
#   src/kernels/cpu/NAME.cpp (the operator), src/kernels/cpu/NAME.simd.cpp (its inner loops, for each instruction set),
#   src/kernels/cuda/NAME.cpp, and src/kernels/cuda/NAME.cu if it takes more than LibTorch's operators
function(retort_add_losses)
  # What several losses share.
  foreach(isa IN LISTS RETORT_ISAS)
    target_sources(retort_kernels_${isa} PRIVATE src/kernels/cpu/standardise.simd.cpp)
  endforeach()
  # What is the same for the forward operators of all losses.
  list(TRANSFORM ARGN REPLACE "(.+)" "\"_\\1_forward\"" OUTPUT_VARIABLE operators)
  list(JOIN operators "," operators)
  set_property(
    SOURCE src/autograd/losses.cpp src/autograd/vmap.cpp src/autograd/meta.cpp APPEND PROPERTY COMPILE_DEFINITIONS
                                                                        "RETORT_FORWARD_OPERATORS=${operators}")
  foreach(loss IN LISTS ARGN)
    target_sources(retort PRIVATE src/losses/${loss}.cpp src/kernels/cpu/${loss}.cpp)
    foreach(isa IN LISTS RETORT_ISAS)
      target_sources(retort_kernels_${isa} PRIVATE src/kernels/cpu/${loss}.simd.cpp)
    endforeach()
  endforeach()
endfunction()
