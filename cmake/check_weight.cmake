# SPDX-License-Identifier: MIT
# cmake -P: fails when <sluice/sluice.hpp> has grown over its budget of preprocessed lines. Lines,
# for they are the same on every machine; perf/ measures the seconds.

set(budget 80000)
execute_process(
  COMMAND "${COMPILER}" -std=c++20 -E "-I${INCLUDE}" "${INCLUDE}/sluice/sluice.hpp"
  OUTPUT_VARIABLE text COMMAND_ERROR_IS_FATAL ANY)
string(REGEX REPLACE "[^\n]" "" newlines "${text}")
string(LENGTH "${newlines}" lines)
message(STATUS "sluice.hpp: ${lines} of ${budget} preprocessed lines")
if(lines GREATER budget)
  message(FATAL_ERROR "sluice.hpp is over its budget")
endif()
