# SPDX-License-Identifier: MIT
# cmake -DINPUT= -DOUTPUT= -DEDITS= -P: copies a source with the edits that the file EDITS lists
# (edits_<i>_from, edits_<i>_to, up to edit_count), each of which must match exactly once.
include("${EDITS}")
file(READ "${INPUT}" text)
foreach(i RANGE 1 ${edit_count})
  set(from "${edit_${i}_from}")
  string(FIND "${text}" "${from}" first)
  string(FIND "${text}" "${from}" last REVERSE)
  if(first EQUAL -1 OR NOT first EQUAL last)
    message(FATAL_ERROR "${INPUT}: to be found exactly once, for the model checker "
                        "(tests/model/CMakeLists.txt):\n${from}")
  endif()
  string(REPLACE "${from}" "${edit_${i}_to}" text "${text}")
endforeach()
file(WRITE "${OUTPUT}" "${text}")
