# SPDX-License-Identifier: MIT
# Installs the libraries, their headers, a CMake package and a pkg-config file.

include(CMakePackageConfigHelpers)
set(SLUICE_CMAKE_DIR "${CMAKE_INSTALL_LIBDIR}/cmake/sluice")

install(
  TARGETS sluice sluice_testing
  EXPORT sluiceTargets
  FILE_SET HEADERS)
install(
  EXPORT sluiceTargets
  NAMESPACE sluice::
  DESTINATION "${SLUICE_CMAKE_DIR}")

configure_package_config_file(
  "${PROJECT_SOURCE_DIR}/cmake/sluiceConfig.cmake.in" "${PROJECT_BINARY_DIR}/sluiceConfig.cmake"
  INSTALL_DESTINATION "${SLUICE_CMAKE_DIR}")
write_basic_package_version_file(
  "${PROJECT_BINARY_DIR}/sluiceConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(
  FILES "${PROJECT_BINARY_DIR}/sluiceConfig.cmake"
        "${PROJECT_BINARY_DIR}/sluiceConfigVersion.cmake"
        "${PROJECT_SOURCE_DIR}/cmake/Findliburing.cmake"
  DESTINATION "${SLUICE_CMAKE_DIR}")

install(PROGRAMS "${PROJECT_SOURCE_DIR}/tools/lint/run" DESTINATION "${CMAKE_INSTALL_DATADIR}/sluice/lint")
install(FILES "${PROJECT_SOURCE_DIR}/tools/lint/coroutines.query"
        DESTINATION "${CMAKE_INSTALL_DATADIR}/sluice/lint")

# The .pc file finds the prefix from its own place, so that an installed tree can be moved.
cmake_path(IS_ABSOLUTE CMAKE_INSTALL_LIBDIR sluice_libdir_is_absolute)
cmake_path(IS_ABSOLUTE CMAKE_INSTALL_INCLUDEDIR sluice_includedir_is_absolute)
if(sluice_libdir_is_absolute OR sluice_includedir_is_absolute)
  set(SLUICE_PC_PREFIX "${CMAKE_INSTALL_PREFIX}")
  set(SLUICE_PC_LIBDIR "${CMAKE_INSTALL_FULL_LIBDIR}")
  set(SLUICE_PC_INCLUDEDIR "${CMAKE_INSTALL_FULL_INCLUDEDIR}")
else()
  cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX BASE_DIRECTORY
             "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig" OUTPUT_VARIABLE sluice_up)
  set(SLUICE_PC_PREFIX "\${pcfiledir}/${sluice_up}")
  set(SLUICE_PC_LIBDIR "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
  set(SLUICE_PC_INCLUDEDIR "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
if(BUILD_SHARED_LIBS)
  set(SLUICE_PC_DEFINES " -DSLUICE_SHARED=1")
else()
  set(SLUICE_PC_DEFINES "")
endif()
configure_file("${PROJECT_SOURCE_DIR}/cmake/sluice.pc.in" "${PROJECT_BINARY_DIR}/sluice.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/sluice.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
