# SPDX-License-Identifier: MIT
# cmake -DLINT=… -DPATTERNS=… -DBUILD=… -P check.cmake

# "<line> <rule>" for each mark.
set(wanted)
file(STRINGS "${PATTERNS}" lines)
set(number 0)
foreach(line IN LISTS lines)
  math(EXPR number "${number} + 1")
  if(line MATCHES "// lint: ([A-Z])")
    list(APPEND wanted "${number} ${CMAKE_MATCH_1}")
  endif()
endforeach()

execute_process(
  COMMAND "${LINT}" "${BUILD}"
  OUTPUT_VARIABLE output
  ERROR_VARIABLE errors
  RESULT_VARIABLE status)
if(status EQUAL 2 AND errors MATCHES "lint: clang-query is")
  message(STATUS "skipped: ${errors}")
  return()
endif()
string(REGEX MATCHALL ":[0-9]+:[0-9]+: g\\+\\+ 12, rule [A-Z]" places "${output}")
set(found)
foreach(place IN LISTS places)
  string(REGEX REPLACE ":([0-9]+):.* ([A-Z])" "\\1 \\2" place "${place}")
  list(APPEND found "${place}")
endforeach()
list(SORT found)
list(SORT wanted)
if(NOT found STREQUAL wanted OR NOT status EQUAL 1)
  message(FATAL_ERROR "status ${status}\nfound  ${found}\nwanted ${wanted}\n${output}${errors}")
endif()

execute_process(
  COMMAND "${LINT}" "${BUILD}/nowhere"
  ERROR_VARIABLE errors
  RESULT_VARIABLE status)
if(NOT status EQUAL 2 OR NOT errors MATCHES "no .*/nowhere/compile_commands.json: configure with")
  message(FATAL_ERROR "a build folder that is none: status ${status}\n${errors}")
endif()
