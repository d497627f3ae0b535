# SPDX-License-Identifier: MIT
# Included: the targets `format` and `format-check`.  cmake -DFORMAT=fix|check -P: the work itself,
# over the C++ files that git tracks or would track.

if(NOT DEFINED FORMAT)
  # Version 19 by name: each version formats a little differently.
  find_program(SLUICE_CLANG_FORMAT clang-format-19)
  mark_as_advanced(SLUICE_CLANG_FORMAT)
  foreach(mode IN ITEMS fix check)
    set(name format)
    if(mode STREQUAL "check")
      set(name format-check)
    endif()
    add_custom_target(
      ${name}
      COMMAND "${CMAKE_COMMAND}" -DFORMAT=${mode} "-DCLANG_FORMAT=${SLUICE_CLANG_FORMAT}" -P
              "${CMAKE_CURRENT_LIST_FILE}"
      VERBATIM)
  endforeach()
  return()
endif()

if(NOT CLANG_FORMAT)
  message(STATUS "skipped: clang-format-19 is not installed")
  return()
endif()
cmake_path(GET CMAKE_CURRENT_LIST_DIR PARENT_PATH root)

execute_process(
  COMMAND git ls-files --cached --others --exclude-standard -- *.hpp *.cpp
  WORKING_DIRECTORY "${root}"
  OUTPUT_VARIABLE files
  RESULT_VARIABLE result
  ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
if(result EQUAL 0)
  string(REPLACE "\n" ";" files "${files}")
else()
  file(GLOB_RECURSE files RELATIVE "${root}" "${root}/include/*.hpp" "${root}/lib/*.[hc]pp"
       "${root}/tests/*.[hc]pp" "${root}/perf/*.[hc]pp" "${root}/samples/*.[hc]pp")
endif()
set(present)
foreach(file IN LISTS files)
  if(EXISTS "${root}/${file}")
    list(APPEND present "${file}")
  endif()
endforeach()

if(NOT present)
  return()
endif()
set(arguments -i)
if(FORMAT STREQUAL "check")
  set(arguments --dry-run -Werror)
endif()
execute_process(
  COMMAND "${CLANG_FORMAT}" ${arguments} ${present}
  WORKING_DIRECTORY "${root}"
  RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "clang-format would change files: cmake --build build/dev --target format")
endif()
