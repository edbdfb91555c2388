# cmake -DIN=file -DOUT=file.c -DNAME=symbol -P embed.cmake: a file as a constant in C.
file(READ ${IN} hex HEX)
string(LENGTH "${hex}" digits)
math(EXPR size "${digits} / 2")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
file(WRITE ${OUT} "#include <stddef.h>\n"
                  "extern const unsigned char ${NAME}[];\n"
                  "extern const size_t ${NAME}_size;\n"
                  "const unsigned char ${NAME}[] = {${bytes}};\n"
                  "const size_t ${NAME}_size = ${size};\n")
