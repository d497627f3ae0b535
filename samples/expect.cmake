# SPDX-License-Identifier: MIT
# Runs PROGRAM, which has to succeed and to print what the file EXPECTED has.
execute_process(COMMAND "${PROGRAM}" OUTPUT_VARIABLE printed RESULT_VARIABLE status)
file(READ "${EXPECTED}" expected)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "${PROGRAM}: ${status}\n${printed}")
elseif(NOT printed STREQUAL expected)
  message(FATAL_ERROR "${PROGRAM} has printed\n${printed}and not\n${expected}")
endif()
