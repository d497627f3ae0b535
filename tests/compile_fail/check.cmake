# SPDX-License-Identifier: MIT
# cmake -P: checks one file of this folder.
#
#   // expect: <words>         a diagnostic holds these words as they stand; each such line counts
#   // expect(gcc): <words>    only asked of g++; likewise expect(clang)
#   // compiler: gcc           the refusal exists for that compiler only; the others skip the file
#
# The misuse stands in the #else of an #ifdef SLUICE_CONTROL whose first branch is the right use.
# The control must compile, so that a file that fails for a missing header is not taken for a
# misuse that was refused. Warnings count as errors: [[nodiscard]] is a refusal too.

file(STRINGS "${FILE}" lines REGEX "^// (expect|compiler)")
if(COMPILER_ID STREQUAL "GNU")
  set(me gcc)
else()
  set(me clang)
endif()

set(expected)
foreach(line IN LISTS lines)
  if(line MATCHES "^// compiler: *([a-z]+)" AND NOT CMAKE_MATCH_1 STREQUAL me)
    message(STATUS "skipped: holds for ${CMAKE_MATCH_1} only")
    return()
  endif()
  if(line MATCHES "^// expect(\\(${me}\\))?: *(.+)$")
    list(APPEND expected "${CMAKE_MATCH_2}")
  endif()
endforeach()
if(NOT expected)
  message(FATAL_ERROR "${FILE}: no line \"// expect: <words>\" for ${me}")
endif()
file(READ "${FILE}" text)
if(NOT text MATCHES "#if(def| defined\\()? *SLUICE_CONTROL")
  message(FATAL_ERROR "${FILE}: no #ifdef SLUICE_CONTROL with the right use")
endif()

set(command "${COMPILER}" -std=c++20 -fsyntax-only -Wall -Wextra -Werror "-I${INCLUDE}")
execute_process(
  COMMAND ${command} -DSLUICE_CONTROL=1 "${FILE}"
  RESULT_VARIABLE result
  ERROR_VARIABLE diagnostics)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "${FILE}: the control does not compile:\n${diagnostics}")
endif()

set(ENV{LC_ALL} C) # plain quotes in the diagnostics
execute_process(
  COMMAND ${command} "${FILE}"
  RESULT_VARIABLE result
  ERROR_VARIABLE diagnostics)
if(result EQUAL 0)
  message(FATAL_ERROR "${FILE}: the misuse compiles")
endif()
foreach(words IN LISTS expected)
  string(FIND "${diagnostics}" "${words}" at)
  if(at EQUAL -1)
    message(FATAL_ERROR "${FILE}: no diagnostic says \"${words}\":\n${diagnostics}")
  endif()
endforeach()
