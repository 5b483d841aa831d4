# Checks that the kernels of one instruction set share no inline function with those of another, since the linker would
# keep only one of the two: cmake -DNM=... -DISA=avx2 "-DOBJECTS=a.o;b.o" -P symbols.cmake
cmake_policy(VERSION 3.25)
execute_process(
  COMMAND ${NM} --demangle --defined-only ${OBJECTS}
  OUTPUT_VARIABLE symbols
  COMMAND_ERROR_IS_FATAL ANY)
# A weak symbol (W, V, u) is one that several object files may define.
string(REGEX MATCHALL "\n[0-9a-f]+ [WVu] [^\n]+" weak "${symbols}")
set(shared)
foreach(symbol IN LISTS weak)
  if(NOT symbol MATCHES "kernels::${ISA}::| V DW.ref.")
    string(APPEND shared "${symbol}")
  endif()
endforeach()
if(shared)
  message(FATAL_ERROR "the kernels for ${ISA} share with others:${shared}")
endif()
