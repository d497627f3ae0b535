# SPDX-License-Identifier: MIT
# Finds liburing, which ships no CMake package, and defines liburing::liburing.
# Installed beside sluiceConfig.cmake: a static sluice hands the library on to whoever links it.
# Sets liburing_FOUND and, where pkg-config knows it, liburing_VERSION.

find_package(PkgConfig QUIET)
if(PKG_CONFIG_FOUND)
  pkg_check_modules(PC_liburing QUIET liburing)
endif()

find_path(liburing_INCLUDE_DIR liburing.h HINTS ${PC_liburing_INCLUDE_DIRS})
find_library(liburing_LIBRARY uring HINTS ${PC_liburing_LIBRARY_DIRS})
set(liburing_VERSION "${PC_liburing_VERSION}")
mark_as_advanced(liburing_INCLUDE_DIR liburing_LIBRARY)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
  liburing
  REQUIRED_VARS liburing_LIBRARY liburing_INCLUDE_DIR
  VERSION_VAR liburing_VERSION)

if(liburing_FOUND AND NOT TARGET liburing::liburing)
  add_library(liburing::liburing UNKNOWN IMPORTED)
  set_target_properties(
    liburing::liburing
    PROPERTIES IMPORTED_LOCATION "${liburing_LIBRARY}"
               INTERFACE_INCLUDE_DIRECTORIES "${liburing_INCLUDE_DIR}")
endif()
