# SPDX-License-Identifier: MIT
# The switches of the build, and sluice_dev: the warnings and sanitizers of our own targets.
# Everything is off for a project that includes sluice; nothing here reaches a consumer.

option(SLUICE_TESTS "Build the tests" ${PROJECT_IS_TOP_LEVEL})
option(SLUICE_MODEL "Build the tests by the model checker, for which one compiler is enough" ON)
option(SLUICE_PERF "Build the benchmarks" ${PROJECT_IS_TOP_LEVEL})
option(SLUICE_SAMPLES "Build the samples" ${PROJECT_IS_TOP_LEVEL})
option(SLUICE_INSTALL "Make install rules for the library" ${PROJECT_IS_TOP_LEVEL})
option(SLUICE_WERROR "Treat warnings in sluice itself as errors" OFF)
set(SLUICE_SANITIZE "" CACHE STRING "\"\", \"address,undefined\" or \"thread\"")
set_property(CACHE SLUICE_SANITIZE PROPERTY STRINGS "" "address,undefined" "thread")

if(SLUICE_TESTS AND BUILD_SHARED_LIBS)
  message(FATAL_ERROR "SLUICE_TESTS needs BUILD_SHARED_LIBS=OFF: the tests reach behind the "
                      "exported symbols")
endif()

if(PROJECT_IS_TOP_LEVEL AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(SLUICE_CCACHE ccache)
  mark_as_advanced(SLUICE_CCACHE)
  if(SLUICE_CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER "${SLUICE_CCACHE}")
  endif()
endif()

add_library(sluice_dev INTERFACE)
target_compile_options(
  sluice_dev INTERFACE -Wall -Wextra -Wpedantic -Wshadow $<$<BOOL:${SLUICE_WERROR}>:-Werror>)
if(SLUICE_SANITIZE)
  target_compile_options(
    sluice_dev INTERFACE -fsanitize=${SLUICE_SANITIZE} -fno-sanitize-recover=all
                         -fno-omit-frame-pointer)
  target_link_options(sluice_dev INTERFACE -fsanitize=${SLUICE_SANITIZE})
endif()
