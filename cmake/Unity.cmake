# Files compiled several at a time, which takes half the work: the headers of LibTorch cost more than what follows them.
option(RETORT_UNITY_BUILD "Compile files several at a time: half the work, unless only one has changed" OFF)

# Compiles the sources of a target that were added so far together with others of their folder. What a file keeps to itself
# must have a name of its own there. Files with compile definitions of their own, or with SKIP_UNITY_BUILD_INCLUSION, stay
# alone.
function(retort_unite target)
  if(NOT RETORT_UNITY_BUILD)
    return()
  endif()
  set(files_at_once 7)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
  # Which GCC does not say of a file that it compiles by itself.
  target_compile_options(${target} PRIVATE $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>>:-Wno-subobject-linkage>)
  get_target_property(sources ${target} SOURCES)
  foreach(source IN LISTS sources)
    get_source_file_property(definitions ${source} COMPILE_DEFINITIONS)
    get_source_file_property(skipped ${source} SKIP_UNITY_BUILD_INCLUSION)
    if(NOT definitions AND NOT skipped)
      get_filename_component(folder ${source} DIRECTORY)
      string(MAKE_C_IDENTIFIER ${folder} folder)
      math(EXPR group "${count_${folder}} + 0")
      math(EXPR count_${folder} "${group} + 1")
      math(EXPR group "${group} / ${files_at_once}")
      set_source_files_properties(${source} PROPERTIES UNITY_GROUP ${folder}_${group})
    endif()
  endforeach()
endfunction()
