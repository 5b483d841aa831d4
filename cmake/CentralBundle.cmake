# Lays out what Maven Central asks for, from a build with -Prelease:
#
#   cmake -DTARGET=target -DVERSION=0.1.0 -DCLASSIFIER=linux-x86_64 [-DKEY=…] -P cmake/CentralBundle.cmake
#
# TARGET/central becomes a Maven repository of Retort's artifacts with their checksums. KEY is a name that gpg knows: each file
# is signed by it. Without one, nothing is signed.
cmake_minimum_required(VERSION 3.25)

set(bundle ${TARGET}/central)
file(REMOVE_RECURSE ${bundle})

# Puts a file where a Maven repository has it, and what proves its content beside it.
function(add file artifact suffix)
  set(folder ${bundle}/org/retort/${artifact}/${VERSION})
  set(copy ${folder}/${artifact}-${VERSION}${suffix})
  file(MAKE_DIRECTORY ${folder})
  file(COPY_FILE ${file} ${copy})
  foreach(algorithm MD5 SHA1)
    file(${algorithm} ${copy} checksum)
    string(TOLOWER ${algorithm} extension)
    file(WRITE ${copy}.${extension} ${checksum})
  endforeach()
  if(KEY)
    execute_process(
      COMMAND gpg --batch --yes --local-user ${KEY} --armor --detach-sign --output ${copy}.asc ${copy}
      COMMAND_ERROR_IS_FATAL ANY)
  endif()
endfunction()

foreach(artifact retort retort-platform retort-platform-gpu retort-bom)
  add(${TARGET}/poms/${artifact}.xml ${artifact} .pom)
endforeach()
foreach(suffix .jar -cli.jar -${CLASSIFIER}.jar -sources.jar -javadoc.jar -cyclonedx.json -cyclonedx.xml)
  add(${TARGET}/retort-${VERSION}${suffix} retort ${suffix})
endforeach()
