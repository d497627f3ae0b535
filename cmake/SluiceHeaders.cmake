# SPDX-License-Identifier: MIT
# Each header compiles alone: the public ones as a consumer sees them (CMake's header set check),
# the private ones of lib/ as our own sources do. Built by a test, not by the default target.

file(GLOB_RECURSE private_headers RELATIVE "${PROJECT_SOURCE_DIR}/lib" CONFIGURE_DEPENDS
     "${PROJECT_SOURCE_DIR}/lib/*.hpp")
set(units)
foreach(header IN LISTS private_headers)
  set(unit "${CMAKE_CURRENT_BINARY_DIR}/private_headers/${header}.cpp")
  file(CONFIGURE OUTPUT "${unit}" CONTENT "#include \"${header}\"\n" @ONLY)
  list(APPEND units "${unit}")
endforeach()

set(header_targets all_verify_interface_header_sets)
if(units)
  add_library(sluice_private_headers OBJECT EXCLUDE_FROM_ALL ${units})
  target_include_directories(sluice_private_headers PRIVATE "${PROJECT_SOURCE_DIR}/lib")
  target_link_libraries(sluice_private_headers PRIVATE sluice_dev sluice::testing sluice::sluice
                                                       liburing::liburing fmt::fmt)
  set_target_properties(sluice_private_headers PROPERTIES CXX_EXTENSIONS OFF)
  list(APPEND header_targets sluice_private_headers)
endif()

add_test(NAME "tree - every header compiles alone"
         COMMAND "${CMAKE_COMMAND}" --build "${PROJECT_BINARY_DIR}" --target ${header_targets})
set_tests_properties("tree - every header compiles alone" PROPERTIES RUN_SERIAL ON)

add_test(NAME "tree - sluice.hpp is light"
         COMMAND "${CMAKE_COMMAND}" "-DCOMPILER=${CMAKE_CXX_COMPILER}"
                 "-DINCLUDE=${PROJECT_SOURCE_DIR}/include" -P
                 "${PROJECT_SOURCE_DIR}/cmake/check_weight.cmake")
