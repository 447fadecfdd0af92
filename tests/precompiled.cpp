// Holds the headers that test programs share (cmake/precompiled.cmake); no code.
