# SPDX-License-Identifier: MIT
# sluice_test(<name> FILES <file>... [LABELS <label>...] [LONG] [SERIAL])
#
# One executable of doctest cases; each case becomes one ctest test, "<suite> - <case>", found when
# the executable is built (SluiceDiscover.cmake).
#   LABELS  default: unit
#   LONG    every case gets the label long too; otherwise those whose name holds "[long]" do.
#           tests/run and the test presets leave the label long out.
#   SERIAL  no other test runs beside a case
# A case that exits with 77 is reported as skipped: see tests/support/skip.hpp.

set(SLUICE_TEST_TIMEOUT 120) # s: ends a hung case; no case comes near it
if(SLUICE_SANITIZE)
  set(SLUICE_TEST_TIMEOUT 600) # a chain of 10^6 frames takes a minute there, several on a busy machine
endif()
set(SLUICE_LONG_TEST_TIMEOUT 1200)

# What the sanitizers' run-times read. Without a symbolizer their reports name no line.
set(SLUICE_TEST_ENVIRONMENT)
if(SLUICE_SANITIZE)
  find_program(SLUICE_SYMBOLIZER NAMES llvm-symbolizer-19 llvm-symbolizer)
  mark_as_advanced(SLUICE_SYMBOLIZER)
  set(symbolizer)
  if(SLUICE_SYMBOLIZER)
    set(symbolizer ":external_symbolizer_path=${SLUICE_SYMBOLIZER}")
  endif()
  set(SLUICE_TEST_ENVIRONMENT
      "ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1${symbolizer}"
      "UBSAN_OPTIONS=print_stacktrace=1${symbolizer}"
      "TSAN_OPTIONS=second_deadlock_stack=1${symbolizer}")
endif()

find_package(doctest REQUIRED)

# The main function of every test executable.
add_library(sluice_test_main OBJECT "${PROJECT_SOURCE_DIR}/tests/support/main.cpp")
target_include_directories(sluice_test_main PRIVATE "${PROJECT_SOURCE_DIR}/tests")
target_compile_features(sluice_test_main PRIVATE cxx_std_20)
target_link_libraries(sluice_test_main PRIVATE sluice_dev doctest::doctest)
set_target_properties(sluice_test_main PROPERTIES CXX_EXTENSIONS OFF)

function(sluice_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "LONG;SERIAL" "" "FILES;LABELS")
  if(NOT arg_LABELS)
    set(arg_LABELS unit)
  endif()

  add_executable(${name} ${arg_FILES})
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}/tests"
                                             "${PROJECT_SOURCE_DIR}/lib")
  target_link_libraries(
    ${name} PRIVATE sluice_dev sluice_test_main sluice::testing sluice::sluice doctest::doctest
                    fmt::fmt liburing::liburing Threads::Threads)
  set_target_properties(${name} PROPERTIES CXX_EXTENSIONS OFF)

  set(cases "${CMAKE_CURRENT_BINARY_DIR}/${name}.cases.cmake")
  add_custom_command(
    TARGET ${name}
    POST_BUILD
    BYPRODUCTS "${cases}"
    COMMAND
      "${CMAKE_COMMAND}" "-DEXECUTABLE=$<TARGET_FILE:${name}>" "-DOUTPUT=${cases}"
      "-DLABELS=${arg_LABELS}" "-DALL_LONG=${arg_LONG}" "-DSERIAL=${arg_SERIAL}"
      "-DTIMEOUT=${SLUICE_TEST_TIMEOUT}" "-DLONG_TIMEOUT=${SLUICE_LONG_TEST_TIMEOUT}"
      "-DENVIRONMENT=${SLUICE_TEST_ENVIRONMENT}" -P
      "${PROJECT_SOURCE_DIR}/cmake/SluiceDiscover.cmake"
    VERBATIM)
  set(include_file "${CMAKE_CURRENT_BINARY_DIR}/${name}.include.cmake")
  file(WRITE "${include_file}"
       "if(EXISTS [==[${cases}]==])\n  include([==[${cases}]==])\nelse()\n"
       "  add_test([==[${name} is built]==] [==[${name} is not built]==])\nendif()\n")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES "${include_file}")
endfunction()
