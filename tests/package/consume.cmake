# SPDX-License-Identifier: MIT
# cmake -P: configures, builds and runs one consumer of this folder in a fresh build tree.
#   CONSUMER  find_package, subdirectory or pkg_config     WORK      the build tree
#   PREFIX    where sluice is installed, if it is          OPTIONS   more arguments for cmake
# or, with CONSUMER=install, builds a sluice of its own with OPTIONS and installs it into PREFIX.

function(run)
  execute_process(
    COMMAND ${ARGN}
    RESULT_VARIABLE result
    OUTPUT_VARIABLE output
    ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}: ${result}\n${output}")
  endif()
endfunction()

file(REMOVE_RECURSE "${WORK}")
if(CONSUMER STREQUAL "install")
  run("${CMAKE_COMMAND}" -S "${CMAKE_CURRENT_LIST_DIR}/../.." -B "${WORK}" -G Ninja
      "-DCMAKE_INSTALL_PREFIX=${PREFIX}" -DSLUICE_TESTS=OFF -DSLUICE_PERF=OFF
      -DSLUICE_SAMPLES=OFF ${OPTIONS})
  run("${CMAKE_COMMAND}" --build "${WORK}" --target install)
  return()
endif()

# The libdir under the prefix differs between distributions.
file(GLOB pc_files "${PREFIX}/*/pkgconfig/sluice.pc" "${PREFIX}/*/*/pkgconfig/sluice.pc")
if(pc_files)
  list(GET pc_files 0 pc_file)
  cmake_path(GET pc_file PARENT_PATH pc_folder)
  cmake_path(GET pc_folder PARENT_PATH libdir)
  set(ENV{PKG_CONFIG_PATH} "${pc_folder}:$ENV{PKG_CONFIG_PATH}")
  set(ENV{LD_LIBRARY_PATH} "${libdir}:$ENV{LD_LIBRARY_PATH}")
endif()

run("${CMAKE_COMMAND}" -S "${CMAKE_CURRENT_LIST_DIR}/${CONSUMER}" -B "${WORK}" -G Ninja
    "-DCMAKE_PREFIX_PATH=${PREFIX}" ${OPTIONS})
run("${CMAKE_COMMAND}" --build "${WORK}")
run("${WORK}/app")
if(EXISTS "${WORK}/app_test")
  run("${WORK}/app_test")
endif()
