# SPDX-License-Identifier: MIT
# cmake -P: asks a doctest executable for its cases and writes one ctest test for each.
#
# doctest ships such a script too. It reads plain text, so that an unbalanced bracket in a name
# ("index in [0, cap)") joins several cases to one, and it knows neither the suite of a case nor a
# label for some of the cases only. The XML listing has all of that.

execute_process(
  COMMAND "${EXECUTABLE}" --list-test-cases --reporters=xml
  OUTPUT_VARIABLE listing
  RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "${EXECUTABLE} cannot list its cases (${result}):\n${listing}")
endif()

# Reads attribute `key` of the XML element `element` into `out`.
function(attribute out key element)
  set(value "")
  if(element MATCHES " ${key}=\"([^\"]*)\"")
    set(value "${CMAKE_MATCH_1}")
  endif()
  string(REPLACE "&lt;" "<" value "${value}")
  string(REPLACE "&gt;" ">" value "${value}")
  string(REPLACE "&quot;" "\"" value "${value}")
  string(REPLACE "&amp;" "&" value "${value}")
  set(${out} "${value}" PARENT_SCOPE)
endfunction()

set(script "")
set(seen "\n")
while(listing MATCHES "<TestCase [^\n]*/>")
  set(element "${CMAKE_MATCH_0}")
  string(FIND "${listing}" "${element}" at)
  string(LENGTH "${element}" length)
  math(EXPR at "${at} + ${length}")
  string(SUBSTRING "${listing}" ${at} -1 listing)

  attribute(case name "${element}")
  attribute(suite testsuite "${element}")
  set(test "${suite} - ${case}")
  string(FIND "${seen}" "\n${test}\n" duplicate)
  if(NOT duplicate EQUAL -1)
    message(FATAL_ERROR "${EXECUTABLE} has two cases named \"${test}\"")
  endif()
  string(APPEND seen "${test}\n")

  set(labels "${LABELS}")
  set(timeout ${TIMEOUT})
  string(FIND "${case}" "[long]" long)
  if(ALL_LONG OR NOT long EQUAL -1)
    list(APPEND labels long)
    set(timeout ${LONG_TIMEOUT})
  endif()

  # A comma separates filters of doctest unless a backslash stands before it.
  string(REPLACE "," "\\," filter "${case}")
  string(REPLACE "," "\\," suite_filter "${suite}")
  string(
    APPEND
    script
    "add_test([====[${test}]====] [====[${EXECUTABLE}]====] [====[--test-suite=${suite_filter}]====] "
    "[====[--test-case=${filter}]====])\n"
    "set_tests_properties([====[${test}]====] PROPERTIES LABELS [====[${labels}]====] TIMEOUT ${timeout} "
    "SKIP_RETURN_CODE 77 RUN_SERIAL [====[${SERIAL}]====] ENVIRONMENT [====[${ENVIRONMENT}]====])\n")
endwhile()

if(script STREQUAL "")
  message(FATAL_ERROR "${EXECUTABLE} has no cases")
endif()
file(WRITE "${OUTPUT}" "${script}")
