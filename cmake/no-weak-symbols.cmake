# Fails when an object compiled for one instruction-set level defines a weak symbol.
file(STRINGS "${OBJECTS}" objects)
foreach(object IN LISTS objects)
  execute_process(COMMAND "${NM}" -C --defined-only "${object}" OUTPUT_VARIABLE symbols RESULT_VARIABLE status)
  if(status)
    message(FATAL_ERROR "nm failed on ${object}")
  endif()
  string(REGEX MATCHALL "[0-9a-f]+ [WVu] [^\n]*" weak "${symbols}")
  # DW.ref.* is a pointer that every toolchain emits the same way; it holds no code.
  list(FILTER weak EXCLUDE REGEX "DW\\.ref\\.")
  if(weak)
    message(FATAL_ERROR "${object} defines weak symbols, which the linker would merge across levels: ${weak}")
  endif()
endforeach()
