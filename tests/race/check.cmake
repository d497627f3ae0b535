# SPDX-License-Identifier: MIT
# cmake -P: runs a case of race.cpp. A race_... must be reported, as a race in touch() between two
# routines; an order_... must not, and must end well.

execute_process(
  COMMAND "${RACE}" ${CASE} ${WORKERS}
  OUTPUT_VARIABLE out
  ERROR_VARIABLE err
  RESULT_VARIABLE result)

if(NOT out MATCHES "${CASE}: shared == ")
  message(FATAL_ERROR "${CASE} did not come to its end (${result}):\n${out}${err}")
endif()
if(CASE MATCHES "^race_")
  if(result EQUAL 0 OR NOT err MATCHES "SUMMARY: ThreadSanitizer: data race [^\n]* in [^\n]*touch\\(\\)"
     OR NOT err MATCHES "'routine [0-9]+'")
    message(FATAL_ERROR "${CASE} is not reported (${result}):\n${err}")
  endif()
elseif(NOT result EQUAL 0)
  message(FATAL_ERROR "${CASE} is reported (${result}):\n${err}")
endif()
