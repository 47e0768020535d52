# The CUDA kernels: one fatbin a source (machine code for several chips, and PTX for later ones), with what ptxas said
# of registers, spills and shared memory beside it; and the emulator, the same sources compiled for this processor.
set(NEPENTHE_CUDA "auto" CACHE STRING "auto: kernels if nvcc is found; required: an error if not; off")
set(NEPENTHE_CUDA_RESOURCES "${CMAKE_BINARY_DIR}/cuda-resources" CACHE PATH "where kernels and emulator go for the jar")
set_property(CACHE NEPENTHE_CUDA PROPERTY STRINGS auto required off)
if(NOT NEPENTHE_CUDA MATCHES "^(auto|required|off)$")
  message(FATAL_ERROR "-Dcuda=${NEPENTHE_CUDA}: expected auto, required or off")
endif()
# sm_80: A100; sm_90a: H100, H200, with their own instructions; sm_100: B200; sm_120: the newest family of 13.0.
set(architectures 80 90a 100 120)
set(ptx 80)

file(GLOB cuda_sources CONFIGURE_DEPENDS "${root}/cuda/*.cu")
file(GLOB cuda_headers CONFIGURE_DEPENDS "${root}/cuda/*.cuh")
set(cuda_directory "${CMAKE_BINARY_DIR}/cuda")
file(MAKE_DIRECTORY "${cuda_directory}" "${NEPENTHE_CUDA_RESOURCES}")

find_program(NVCC nvcc PATHS /usr/local/cuda/bin /opt/cuda/bin ENV CUDA_HOME PATH_SUFFIXES bin)
if(NEPENTHE_CUDA STREQUAL "off" OR NOT NVCC)
  if(NEPENTHE_CUDA STREQUAL "required")
    message(FATAL_ERROR "-Dcuda=required, but there is no nvcc on the PATH nor in /usr/local/cuda/bin: install the CUDA toolkit, 12.8 or newer")
  endif()
  if(NEPENTHE_CUDA STREQUAL "auto")
    message(NOTICE "CUDA: no nvcc on the PATH nor in /usr/local/cuda/bin; the jar has no CUDA kernels (-Dcuda=required makes this an error)")
  endif()
else()
  execute_process(COMMAND "${NVCC}" --version OUTPUT_VARIABLE nvcc_version)
  string(REGEX MATCH "release [0-9.]+, V[0-9.]+" nvcc_version "${nvcc_version}")
  file(WRITE "${cuda_directory}/nvcc" "nvcc ${nvcc_version}\n")
  string(REGEX MATCH "[0-9]+[.][0-9]+" toolkit "${nvcc_version}")
  string(REGEX REPLACE ".*V" "" compiler "${nvcc_version}")
  string(REPLACE ";" " " chips "${architectures}")
  file(WRITE "${NEPENTHE_CUDA_RESOURCES}/kernels.properties" "toolkit=${toolkit}\ncompiler=${compiler}\narchitectures=${chips}\n")
  set(all_targets)
  foreach(architecture IN LISTS architectures)
    list(APPEND all_targets -gencode arch=compute_${architecture},code=sm_${architecture})
  endforeach()
  list(APPEND all_targets -gencode arch=compute_${ptx},code=compute_${ptx})
  set(fatbins)
  set(texts)
  foreach(source IN LISTS cuda_sources)
    get_filename_component(stem "${source}" NAME_WE)
    set(fatbin "${NEPENTHE_CUDA_RESOURCES}/${stem}.fatbin")
    set(targets ${all_targets})
    if(stem MATCHES "_(sm[0-9]+a)$") # written in one chip's own instructions
      string(REPLACE "sm" "" chip "${CMAKE_MATCH_1}")
      set(targets -gencode arch=compute_${chip},code=sm_${chip})
    endif()
    # No contraction: fma is written where it is meant, and the bits are part of the contract.
    add_custom_command(OUTPUT "${fatbin}" DEPENDS "${source}" ${cuda_headers} VERBATIM
      COMMAND ${CMAKE_COMMAND} "-DLOG=${cuda_directory}/${stem}.ptxas" -P "${CMAKE_SOURCE_DIR}/logged.cmake" --
              "${NVCC}" -std=c++17 -fatbin -fmad=false -Werror all-warnings -Xptxas -v ${targets}
              "${source}" -o "${fatbin}"
      COMMENT "CUDA ${stem}")
    list(APPEND fatbins "${fatbin}")
    # What the same compiler makes of it for the H200, as text: the interpreter below runs it.
    set(text "${CMAKE_BINARY_DIR}/ptx/${stem}.ptx")
    add_custom_command(OUTPUT "${text}" DEPENDS "${source}" ${cuda_headers} VERBATIM
      COMMAND "${NVCC}" -std=c++17 -ptx -fmad=false -Werror all-warnings -arch=compute_90a "${source}" -o "${text}"
      COMMENT "PTX ${stem}")
    list(APPEND texts "${text}")
  endforeach()
  file(MAKE_DIRECTORY "${CMAKE_BINARY_DIR}/ptx")
  add_custom_target(cuda-kernels ALL DEPENDS ${fatbins})
  add_custom_target(cuda-ptx ALL DEPENDS ${texts})
endif()

# The emulator: -fsanitize=thread makes every access to memory a call, -fsanitize=bounds every index into an array of
# known size a check, -fsanitize=alignment every address that its type must be aligned to; the emulator itself is what they call, so the sanitizers' libraries are not linked.
add_library(emulated INTERFACE)
target_compile_options(emulated INTERFACE
  -Wall -Wextra -Wconversion -Werror -O2 -ffp-contract=off -fno-math-errno -fno-strict-aliasing)
function(add_kernels name options)
  add_library(${name} OBJECT ${ARGN})
  target_link_libraries(${name} PRIVATE emulated)
  target_compile_options(${name} PRIVATE -x c++ -DNEP_EMULATED -Wno-unknown-pragmas ${options})
  set_source_files_properties(${ARGN} PROPERTIES LANGUAGE CXX OBJECT_DEPENDS "${cuda_headers}")
endfunction()
function(add_emulator name kernels)
  add_library(${name} SHARED $<TARGET_OBJECTS:${kernels}> ${ARGN}
    "${root}/cuda/emulator/memory.cpp" "${root}/cuda/emulator/scheduler.cpp" "${root}/cuda/emulator/hopper.cpp")
  target_link_libraries(${name} PRIVATE emulated)
  target_link_options(${name} PRIVATE -static-libstdc++ -static-libgcc -Wl,--exclude-libs,ALL -Wl,--no-undefined)
endfunction()
set(checked -fsanitize=thread -fsanitize=bounds-strict -fsanitize=alignment)
add_kernels(checked-kernels "${checked}" ${cuda_sources})
add_emulator(nepenthe-emulator checked-kernels)
# The same without any check, for commands: their arithmetic, many times faster.
add_kernels(unchecked-kernels "-DNEP_UNCHECKED;-O3" ${cuda_sources})
add_emulator(nepenthe-emulator-unchecked unchecked-kernels)
target_compile_definitions(nepenthe-emulator-unchecked PRIVATE NEP_UNCHECKED)
set_target_properties(nepenthe-emulator nepenthe-emulator-unchecked PROPERTIES
  LIBRARY_OUTPUT_DIRECTORY "${NEPENTHE_CUDA_RESOURCES}/${platform}")
add_kernels(planted-kernels "${checked}" "${root}/cuda/emulator/planted.cu" "${root}/cuda/emulator/planted_hopper.cu")
add_emulator(nepenthe-planted planted-kernels)
# The same behind the driver API's names, for the tests of JCudaDriver.
add_emulator(nepenthe-driver checked-kernels "${root}/cuda/emulator/driver.cpp")
set_source_files_properties("${root}/cuda/emulator/driver.cpp" PROPERTIES COMPILE_OPTIONS "-Wno-conversion")
set_target_properties(nepenthe-driver PROPERTIES LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/driver"
  OUTPUT_NAME cuda SUFFIX ".so.1")

# The driver API's names over an interpreter of PTX, which runs what nvcc made.
add_library(nepenthe-ptx SHARED "${root}/cuda/emulator/driver.cpp" "${root}/cuda/emulator/ptx/parse.cpp"
  "${root}/cuda/emulator/ptx/text.cpp" "${root}/cuda/emulator/ptx/arithmetic.cpp"
  "${root}/cuda/emulator/ptx/convert.cpp" "${root}/cuda/emulator/ptx/memory.cpp"
  "${root}/cuda/emulator/ptx/counts.cpp" "${root}/cuda/emulator/ptx/warp.cpp" "${root}/cuda/emulator/ptx/run.cpp")
target_link_libraries(nepenthe-ptx PRIVATE emulated)
target_link_options(nepenthe-ptx PRIVATE -static-libstdc++ -static-libgcc -Wl,--exclude-libs,ALL -Wl,--no-undefined)
set_target_properties(nepenthe-ptx PROPERTIES LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/ptx"
  OUTPUT_NAME cuda SUFFIX ".so.1")

# What the tests put in the place of CUDA's libraries.
function(add_stand_in name soname)
  add_library(${name} SHARED ${ARGN})
  target_compile_options(${name} PRIVATE -Wall -Wextra -Wconversion -Werror -O1)
  target_link_options(${name} PRIVATE -static-libstdc++ -static-libgcc)
  set_target_properties(${name} PROPERTIES LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/libraries"
    CXX_VISIBILITY_PRESET default PREFIX "" OUTPUT_NAME ${soname} SUFFIX "")
endfunction()
add_stand_in(nepenthe-cublas libcublas.so.13 "${root}/cuda/emulator/cublas.cpp")
add_stand_in(nepenthe-cudnn libcudnn.so.9 "${root}/cuda/emulator/cudnn.cpp")
add_stand_in(nepenthe-cusolver libcusolver.so.12 "${root}/cuda/emulator/cusolver.cpp")
# It needs the other, as the real ones do, and does not say where that lies.
target_link_libraries(nepenthe-cusolver PRIVATE nepenthe-cublas)
target_link_options(nepenthe-cusolver PRIVATE -Wl,--no-as-needed)
set_target_properties(nepenthe-cusolver PROPERTIES SKIP_BUILD_RPATH TRUE)
add_stand_in(nepenthe-nvtx libnvToolsExt.so.1 "${root}/cuda/emulator/nvtx.cpp")
