// Holds the headers that test programs share (cmake/precompiled.cmake); the program does nothing.
int main() {}
