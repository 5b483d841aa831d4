include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

install(TARGETS retort EXPORT retort-targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

set(config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Retort)
install(EXPORT retort-targets NAMESPACE Retort:: DESTINATION ${config_dir})
configure_package_config_file(
  ../cmake/retort-config.cmake.in ${PROJECT_BINARY_DIR}/RetortConfig.cmake INSTALL_DESTINATION ${config_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/RetortConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/RetortConfig.cmake ${PROJECT_BINARY_DIR}/RetortConfigVersion.cmake
              ../cmake/FindLibTorch.cmake DESTINATION ${config_dir})
